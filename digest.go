package sallyport

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
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

var callIDEncoding = base32.StdEncoding.WithPadding(base32.NoPadding) //nolint:gochecknoglobals // a constant in all but form

// CallID writes 128 bits as the 26 characters of lowercase base32 (RFC 4648)
// that name a call.
func CallID(bits [16]byte) string {
	return strings.ToLower(callIDEncoding.EncodeToString(bits[:]))
}

// ValidCallID reports whether s could be the id of a call.
func ValidCallID(s string) bool {
	b, err := callIDEncoding.DecodeString(strings.ToUpper(s))
	return err == nil && len(b) == 16 && CallID([16]byte(b)) == s
}
