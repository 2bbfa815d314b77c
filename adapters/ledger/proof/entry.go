package proof

import (
	"bytes"
	"encoding/json"

	"github.com/sallyport/sallyport"
)

// maxKey bounds an entry's key, in bytes.
const maxKey = 255

// Encode is the JSON that the store holds and a leaf commits to: as
// encoding/json writes it, with nothing in raw messages changed but space.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, &sallyport.Error{
			Kind: sallyport.Invalid, Code: sallyport.CodeBadEntry,
			Message: "an entry can't be written as JSON", Err: err,
		}
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Normalise is the entry as it will come back from the store, and its JSON.
// Encoding is stable from then on: Encode(DecodeEntry(Encode(e))) changes
// nothing.
func Normalise(e sallyport.Entry) (sallyport.Entry, []byte, error) {
	if err := e.Check(); err != nil {
		return e, nil, err
	}
	if len(e.Key) > maxKey {
		return e, nil, sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadEntry,
			"the key of the %s of call %s has %d bytes and may have %d", e.Kind, e.CallID, len(e.Key), maxKey)
	}
	first, err := Encode(e)
	if err != nil {
		return e, nil, err
	}
	normal, err := DecodeEntry(first)
	if err != nil {
		return e, nil, err
	}
	b, err := Encode(normal)
	return normal, b, err
}

// DecodeEntry reads an entry as [Encode] wrote it.
func DecodeEntry(b []byte) (sallyport.Entry, error) {
	var e sallyport.Entry
	if err := json.Unmarshal(b, &e); err != nil {
		return e, &sallyport.Error{
			Kind: sallyport.Internal, Code: sallyport.CodeBadStore,
			Message: "an entry in the ledger's store can't be read", Err: err,
		}
	}
	return e, nil
}
