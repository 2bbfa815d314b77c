package jws

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// Verifier opens what the API signed. It is a [sallyport.CallVerifier] and a
// [sallyport.AttestationVerifier], and safe for concurrent use.
type Verifier struct {
	keys map[string]ed25519.PublicKey // by key id
}

var (
	_ sallyport.CallVerifier        = (*Verifier)(nil)
	_ sallyport.AttestationVerifier = (*Verifier)(nil)
)

// NewVerifier accepts signatures of any of the keys. Several keys allow
// rotation: first verifiers get the new key, then the API signs with it, and the
// old one is removed when all calls that it signed have ended.
func NewVerifier(keys ...ed25519.PublicKey) (*Verifier, error) {
	if len(keys) == 0 {
		return nil, errors.New("a verifier of calls needs at least one of the API's public keys")
	}
	v := &Verifier{keys: make(map[string]ed25519.PublicKey, len(keys))}
	for i, key := range keys {
		kid, err := KeyID(key)
		if err != nil {
			return nil, fmt.Errorf("key %d of the API: %w", i+1, err)
		}
		v.keys[kid] = key
	}
	return v, nil
}

// VerifyCall opens a signed call. Any error is of kind [sallyport.Denied].
func (v *Verifier) VerifyCall(token sallyport.SignedCall) (sallyport.Call, error) {
	c, err := open[sallyport.Call](v, string(token), typCall)
	if err == nil {
		err = checkCall(c)
	}
	if err != nil {
		return sallyport.Call{}, denied(sallyport.CodeUnsignedCall, "call", err)
	}
	return c, nil
}

// VerifyAttestation opens an attestation. Any error is of kind
// [sallyport.Denied].
func (v *Verifier) VerifyAttestation(token string) (sallyport.Attestation, error) {
	a, err := open[sallyport.Attestation](v, token, typVote)
	if err == nil {
		err = checkAttestation(a)
	}
	if err != nil {
		return sallyport.Attestation{}, denied(sallyport.CodeUnsignedAttestation, "attestation", err)
	}
	return a, nil
}

// open verifies a token of one type and reads its payload.
func open[T any](v *Verifier, token, typ string) (T, error) {
	var zero, value T
	h, payload, err := split(token)
	if err != nil {
		return zero, err
	}
	key, err := v.key(h, typ)
	if err != nil {
		return zero, err
	}
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return zero, err
	}
	signed, err := parsed.Verify(key)
	if err != nil {
		return zero, err
	}
	if !bytes.Equal(signed, payload) {
		return zero, errors.New("what was signed is not what it carries")
	}
	if err := strict.Decode(signed, &value); err != nil {
		return zero, err
	}
	again, err := strict.Canonical(value)
	if err != nil || !bytes.Equal(again, signed) {
		return zero, errors.New("its payload is not in the one form that the API signs")
	}
	return value, nil
}

// key finds the key that a header names, and rejects headers that the API does
// not write.
func (v *Verifier) key(h header, typ string) (ed25519.PublicKey, error) {
	if h.Alg != string(jose.EdDSA) {
		return nil, fmt.Errorf("its algorithm is %q and must be EdDSA", h.Alg)
	}
	if h.Typ != typ {
		return nil, fmt.Errorf("its type is %q and must be %s", h.Typ, typ)
	}
	key, ok := v.keys[h.Kid]
	if !ok {
		return nil, fmt.Errorf("its key %q is none of the API's", h.Kid)
	}
	return key, nil
}
