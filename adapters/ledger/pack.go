package ledger

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// The store keeps an entry as JSON, or packed: without what can be derived. What is
// read is the same JSON, byte by byte, so that leaves, exports and proofs do not
// know of it.
//
// The receipt of a call holds the call as JSON and as a JWS, whose payload is that
// JSON in base64, with the arguments in each. It is packed as the payload, the
// place of the arguments in it, and the rest. An intent is packed without its
// arguments, which are the receipt's.
const (
	packedReceipt = 1
	packedIntent  = 2
)

// fewBytes is how long arguments are at least that are worth leaving out.
const fewBytes = 64

var errPacked = errors.New("it is not packed as this program packs")

// pack is an entry's contents as they are stored.
func pack(e sallyport.Entry, content []byte) []byte {
	switch {
	case e.Kind == sallyport.EntryReceived && e.Call != nil:
		return packReceipt(e, content)
	case e.Kind == sallyport.EntryIntent && e.Intent != nil && len(e.Intent.Arguments) >= fewBytes:
		return append([]byte{packedIntent}, cut(content, e.Intent.Arguments)...)
	}
	return content
}

// pack is an entry's contents as they are stored. An intent with other arguments
// than its call's keeps them.
func (k *known) pack(e sallyport.Entry, content []byte) []byte {
	if e.Kind == sallyport.EntryIntent && string(argumentsDigest(e.Intent.Arguments)) != k.sent.arguments {
		return content
	}
	return pack(e, content)
}

func packReceipt(e sallyport.Entry, content []byte) []byte {
	parts := strings.Split(string(e.Signed), ".")
	if len(parts) != 3 {
		return content
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	at := bytes.Index(payload, e.Call.Arguments)
	if err != nil || at < 0 || len(e.Call.Arguments) == 0 || base64.RawURLEncoding.EncodeToString(payload) != parts[1] {
		return content
	}
	packed := binary.AppendUvarint([]byte{packedReceipt}, uint64(len(payload)))
	packed = append(packed, payload...)
	packed = binary.AppendUvarint(packed, uint64(at))
	packed = binary.AppendUvarint(packed, uint64(len(e.Call.Arguments)))
	return append(packed, cut(content, []byte(parts[1]), e.Call.Arguments)...)
}

// unpack is what pack was given. What it can't unpack it returns as it is, which is
// no JSON: its reader fails as on any other contents that were changed.
func unpack(stored, receipt []byte) []byte {
	content, err := unpacked(stored, receipt)
	if err != nil {
		return stored
	}
	return content
}

func unpacked(stored, receipt []byte) ([]byte, error) {
	switch {
	case len(stored) > 0 && stored[0] == packedReceipt:
		payload, arguments, rest, err := openReceipt(stored)
		if err != nil {
			return nil, err
		}
		return fill(rest, []byte(base64.RawURLEncoding.EncodeToString(payload)), arguments)
	case len(stored) > 0 && stored[0] == packedIntent:
		arguments, err := argumentsOf(receipt)
		if err != nil {
			return nil, err
		}
		return fill(stored[1:], arguments)
	}
	return stored, nil
}

// argumentsOf are those in a receipt as it is stored.
func argumentsOf(receipt []byte) ([]byte, error) {
	if len(receipt) > 0 && receipt[0] == packedReceipt {
		_, arguments, _, err := openReceipt(receipt)
		return arguments, err
	}
	e, err := proof.DecodeEntry(receipt)
	if err != nil || e.Call == nil {
		return nil, errPacked
	}
	return e.Call.Arguments, nil
}

func openReceipt(stored []byte) (payload, arguments, rest []byte, err error) {
	payload, rest, err = take(stored[1:])
	if err != nil {
		return nil, nil, nil, err
	}
	at, n := binary.Uvarint(rest)
	size, m := binary.Uvarint(rest[max(n, 0):])
	if n <= 0 || m <= 0 || at > uint64(len(payload)) || size > uint64(len(payload))-at {
		return nil, nil, nil, errPacked
	}
	return payload, payload[at : at+size], rest[n+m:], nil
}

// cut is a text without some parts of it: after each text that is left stands the
// number of the part that follows, or 0 at the end.
func cut(text []byte, parts ...[]byte) (pieces []byte) {
	for {
		first, which := len(text), 0
		for i, p := range parts {
			if at := bytes.Index(text, p); at >= 0 && at < first {
				first, which = at, i+1
			}
		}
		pieces = binary.AppendUvarint(pieces, uint64(first))
		pieces = append(append(pieces, text[:first]...), byte(which))
		if which == 0 {
			return pieces
		}
		text = text[first+len(parts[which-1]):]
	}
}

// fill puts the parts back.
func fill(pieces []byte, parts ...[]byte) (text []byte, err error) {
	for {
		piece, rest, err := take(pieces)
		if err != nil || len(rest) == 0 || int(rest[0]) > len(parts) {
			return nil, errPacked
		}
		text = append(text, piece...)
		if rest[0] == 0 {
			return text, nil
		}
		text, pieces = append(text, parts[rest[0]-1]...), rest[1:]
	}
}

// take is what a length and as many bytes say.
func take(b []byte) (taken, rest []byte, err error) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) { //nolint:gosec // n is no more than there is
		return nil, nil, errPacked
	}
	end := n + int(size) //nolint:gosec // it is no more than there is
	return b[n:end], b[end:], nil
}
