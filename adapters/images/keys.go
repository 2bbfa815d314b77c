package images

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
)

// key is one of the operator's keys with one hash, ready to verify.
type key struct {
	ofBytes   signature.Verifier
	ofBundles *verify.Verifier
}

// parseKeys reads public keys. Its errors don't quote them.
func parseKeys(texts []string) ([]key, error) {
	if len(texts) == 0 {
		return nil, errors.New("images: no key; want at least one public key, such as cosign.pub")
	}
	var keys []key
	for i, text := range texts {
		public, hashes, err := parseKey(text)
		if err != nil {
			return nil, fmt.Errorf("images: key %d of %d: %w", i+1, len(texts), err)
		}
		for _, hash := range hashes {
			k, err := newKey(public, hash)
			if err != nil {
				return nil, fmt.Errorf("images: key %d of %d: %w", i+1, len(texts), err)
			}
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// parseKey reads a public key, and returns the hashes that it is used with.
func parseKey(text string) (crypto.PublicKey, []crypto.Hash, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || strings.TrimSpace(string(rest)) != "" {
		return nil, nil, errors.New("want one PEM block and nothing after it")
	}
	if block.Type != "PUBLIC KEY" {
		return nil, nil, errors.New("want a PEM block of type PUBLIC KEY; never configure a private key here")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, nil, errors.New("want a public key in PKIX form")
	}
	switch k := public.(type) {
	case ed25519.PublicKey:
		return k, []crypto.Hash{crypto.SHA512}, nil // Ed25519's own hash
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return k, []crypto.Hash{crypto.SHA256}, nil
		case elliptic.P384():
			// Older versions of cosign use SHA-256 for every curve.
			return k, []crypto.Hash{crypto.SHA384, crypto.SHA256}, nil
		}
	}
	return nil, nil, errors.New("want an ECDSA key on P-256 or P-384, or an Ed25519 key")
}

func newKey(public crypto.PublicKey, hash crypto.Hash) (key, error) {
	verifier, err := signature.LoadVerifier(public, hash)
	if err != nil {
		return key{}, err
	}
	// The verifier ignores the key hint of a bundle and tries each key.
	material := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
		return root.NewExpiringKey(verifier, time.Time{}, time.Time{}), nil
	})
	bundles, err := verify.NewVerifier(material, verify.WithNoObserverTimestamps(), verify.WithoutStatementPredicate())
	if err != nil {
		return key{}, err
	}
	return key{ofBytes: verifier, ofBundles: bundles}, nil
}
