// Package jwks finds the public keys of an issuer of tokens: in a JWKS (RFC 7517)
// that is a file, or in the one that the issuer publishes, by OpenID Connect
// discovery.
package jwks

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// Source finds the keys that may have signed a token.
type Source interface {
	// Find returns at least one key, or [ErrUnknown], or an error of kind
	// Unavailable.
	Find(ctx context.Context, kid string) ([]jose.JSONWebKey, error)
}

// ErrUnknown says that the issuer has no such key.
var ErrUnknown = errors.New("the issuer has no such key")

// leastRSABits is what NIST SP 800-131A still allows.
const leastRSABits = 2048

// File is an issuer's keys from a JWKS file.
type File []jose.JSONWebKey

// Find implements [Source].
func (f File) Find(_ context.Context, kid string) ([]jose.JSONWebKey, error) {
	if keys := match(f, kid); len(keys) > 0 {
		return keys, nil
	}
	return nil, ErrUnknown
}

// match finds the keys of an id. A token that names no key can only mean the
// one that there is.
func match(keys []jose.JSONWebKey, kid string) []jose.JSONWebKey {
	if kid == "" && len(keys) != 1 {
		return nil
	}
	var found []jose.JSONWebKey
	for _, key := range keys {
		if kid == "" || key.KeyID == kid {
			found = append(found, key)
		}
	}
	return found
}

// Parse reads a JWKS. Keys of kinds that we don't know, that
// are too weak or not for signatures, are skipped, as section 5 allows. A
// private key in the set is published and compromised: then no key of the set
// is accepted.
func Parse(data []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("not a JWKS: %w", err)
	}
	var keys []jose.JSONWebKey
	for n, raw := range set.Keys {
		var key jose.JSONWebKey
		err := json.Unmarshal(raw, &key)
		switch {
		case errors.Is(err, jose.ErrUnsupportedKeyType):
			continue
		case err != nil:
			return nil, fmt.Errorf("key %d of the JWKS: %w", n+1, err)
		case !key.IsPublic():
			return nil, fmt.Errorf("key %d of the JWKS is not a public key", n+1)
		}
		if signs(key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the JWKS holds no key that could verify a signature")
	}
	return keys, nil
}

func signs(key jose.JSONWebKey) bool {
	if key.Use != "" && key.Use != "sig" {
		return false
	}
	public, isRSA := key.Key.(*rsa.PublicKey)
	return !isRSA || public.N.BitLen() >= leastRSABits
}
