// Package jws is the API's signature over calls and attestations of votes.
//
// Both travel as a compact JWS (RFC 7515) whose payload is canonical JSON
// (RFC 8785) and whose protected header has exactly three members:
//
//	{"alg":"EdDSA","kid":"<RFC 7638 thumbprint>","typ":"sallyport-call+jws"}
//
// The type tells a call from a vote, so that one never passes for the other
// under the same key. Every call and every attestation has one encoding: a
// verifier rejects all others, even if the API's key signed them.
package jws

import (
	"crypto"
	"crypto/ed25519"
	_ "crypto/sha256" // the hash of key ids
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// The types of what is signed.
const (
	typCall = "sallyport-call+jws"
	typVote = "sallyport-vote+jws"
)

// maxToken bounds a token, in bytes. A request is at most
// 64 KiB, which base64 makes a third longer.
const maxToken = 128 << 10

// KeyID is the RFC 7638 thumbprint of a key, under which its signatures name
// it.
func KeyID(key ed25519.PublicKey) (string, error) {
	if len(key) != ed25519.PublicKeySize {
		return "", fmt.Errorf("an Ed25519 public key has %d bytes, not %d", ed25519.PublicKeySize, len(key))
	}
	sum, err := (&jose.JSONWebKey{Key: key}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("naming an Ed25519 key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// header is the protected header, all of it.
type header struct {
	Alg string `json:"alg"`
	Kid string `json:"kid"`
	Typ string `json:"typ"`
}

// split takes a compact JWS apart. Go's decoders skip line breaks and stray
// bits in base64, by which one signature would have many spellings; here it
// has one.
func split(token string) (header, []byte, error) {
	if len(token) > maxToken {
		return header{}, nil, fmt.Errorf("it is longer than %d bytes", maxToken)
	}
	if strings.ContainsAny(token, "\r\n") {
		return header{}, nil, fmt.Errorf("it is broken into lines")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return header{}, nil, fmt.Errorf("a compact JWS has three parts, and this has %d", len(parts))
	}
	var raw [3][]byte
	for i, part := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil {
			return header{}, nil, fmt.Errorf("part %d is not base64url: %w", i+1, err)
		}
		raw[i] = b
	}
	var h header
	if err := strict.Decode(raw[0], &h); err != nil {
		return header{}, nil, fmt.Errorf("its header: %w", err)
	}
	return h, raw[1], nil
}

// denied is the error for a token that fails verification.
func denied(code, what string, err error) error {
	return sallyport.Errorf(sallyport.Denied, code, "this %s does not carry the API's signature: %w", what, err)
}
