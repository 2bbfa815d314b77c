package sallyport

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// Digest is "sha256:" followed by 64 lowercase hexadecimal digits.
type Digest string

// NewDigest hashes parts under a domain. The input of SHA-256 is the domain
// and then each part, every one of them preceded by its length in bytes as a
// big-endian 64-bit integer, so that no two different lists of parts hash the
// same bytes.
func NewDigest(domain string, parts ...[]byte) Digest {
	h := sha256.New()
	frame := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	frame([]byte(domain))
	for _, p := range parts {
		frame(p)
	}
	return Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))
}

// Valid reports whether d has the form of a digest.
func (d Digest) Valid() bool {
	s, ok := strings.CutPrefix(string(d), "sha256:")
	if !ok || len(s) != 2*sha256.Size {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil && s == strings.ToLower(s)
}

// mustJSON marshals this package's own types for a digest, as encoding/json writes
// them: struct fields in declared order, no insignificant space, raw messages
// compacted. Only a raw message that is not JSON can fail, which the intake rules
// out; what it yields then is not JSON either, so that it hashes like nothing that
// could be decoded.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Appendf(nil, "!%+v", v)
	}
	return b
}
