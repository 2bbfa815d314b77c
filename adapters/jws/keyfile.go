package jws

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sallyport/sallyport/strict"
)

const (
	privateBlock = "PRIVATE KEY" // PKCS #8
	publicBlock  = "PUBLIC KEY"  // SubjectPublicKeyInfo
	maxKeyFile   = 64 << 10
)

// LoadPrivateKey reads an Ed25519 key from a PEM file (PKCS #8, as openssl
// genpkey -algorithm ed25519 writes it) that others may not read.
func LoadPrivateKey(path string) (ed25519.PrivateKey, error) {
	data, err := strict.Private(path)
	if err != nil {
		return nil, fmt.Errorf("reading the API's signing key: %w", err)
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != privateBlock || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%s: must hold one PEM block of type %s and nothing after it", path, privateBlock)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: holds a %T and must hold an Ed25519 key", path, parsed)
	}
	return key, nil
}

// LoadPublicKeys reads one or more Ed25519 keys from a PEM file (SPKI). A
// file that holds anything else, such as a private key, is rejected.
func LoadPublicKeys(path string) ([]ed25519.PublicKey, error) {
	rest, err := strict.ReadFile(path, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the API's public keys: %w", err)
	}
	var keys []ed25519.PublicKey
	for len(bytes.TrimSpace(rest)) > 0 {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil || block.Type != publicBlock {
			return nil, fmt.Errorf("%s: block %d is not a PEM block of type %s", path, len(keys)+1, publicBlock)
		}
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: key %d: %w", path, len(keys)+1, err)
		}
		key, ok := parsed.(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("%s: key %d is a %T and must be an Ed25519 key", path, len(keys)+1, parsed)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: holds no public key", path)
	}
	return keys, nil
}

// CreateKey makes a key and writes it to a file that must not exist yet
// (otherwise the error wraps [io/fs.ErrExist]), for its owner alone. The file
// appears whole or not at all.
func CreateKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("making a signing key: %w", err)
	}
	if err := writeNew(path, pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: der})); err != nil {
		return nil, fmt.Errorf("writing a signing key: %w", err)
	}
	return key, nil
}

// PublicPEM writes public keys as [LoadPublicKeys] reads them.
func PublicPEM(keys ...ed25519.PublicKey) ([]byte, error) {
	var out bytes.Buffer
	for i, key := range keys {
		if len(key) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("public key %d has %d bytes, not %d", i+1, len(key), ed25519.PublicKeySize)
		}
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return nil, fmt.Errorf("public key %d: %w", i+1, err)
		}
		if err := pem.Encode(&out, &pem.Block{Type: publicBlock, Bytes: der}); err != nil {
			return nil, fmt.Errorf("public key %d: %w", i+1, err)
		}
	}
	return out.Bytes(), nil
}

// writeNew writes beside path and links into place, which, unlike a rename,
// fails where the file exists.
func writeNew(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}
