package ledger

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport/strict"
)

// Key is a [Signer] whose private half is in this process.
type Key struct {
	Public string // the verifier's key, in the signed-note form name+hash+base64

	signer   note.Signer
	verifier note.Verifier
}

// Verifier implements [Signer].
func (k Key) Verifier() note.Verifier { return k.verifier }

// Sign implements [Signer].
func (k Key) Sign(_ context.Context, msg []byte) ([]byte, error) { return k.signer.Sign(msg) }

// NewKey draws an Ed25519 key. Its name is the log's origin: a URL without
// scheme, such as "sallyport.example.com/ledger", without spaces or plus.
func NewKey(name string) (private, public string, err error) {
	private, public, err = note.GenerateKey(rand.Reader, name)
	if err != nil {
		return "", "", err
	}
	if _, err := note.NewSigner(private); err != nil {
		return "", "", fmt.Errorf("%q can't be the name of a ledger's key: it must not be empty, and have no spaces and no plus", name)
	}
	return private, public, nil
}

// ParseKey reads a private key as [NewKey] wrote it.
func ParseKey(private string) (Key, error) {
	private = strings.TrimSpace(private)
	signer, err := note.NewSigner(private)
	if err != nil {
		return Key{}, errors.New("this is not a ledger's private key, which begins with PRIVATE+KEY+")
	}
	// The base64 at the end may hold further pluses.
	encoded := strings.SplitN(private, "+", 5)[4]
	seed, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return Key{}, errors.New("this is not a ledger's private key of the kind Ed25519")
	}
	pub, ok := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return Key{}, errors.New("this private key has no public key")
	}
	public, err := note.NewEd25519VerifierKey(signer.Name(), pub)
	if err != nil {
		return Key{}, err
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return Key{}, err
	}
	return Key{signer: signer, verifier: verifier, Public: public}, nil
}

// CreateKey draws a key and writes it to a file that only its owner can read.
// It never overwrites one.
func CreateKey(path, name string) (Key, error) {
	private, _, err := NewKey(name)
	if err != nil {
		return Key{}, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Key{}, fmt.Errorf("the ledger's key can't be written: %w", err)
	}
	_, err = f.WriteString(private + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return Key{}, fmt.Errorf("the ledger's key can't be written: %w", err)
	}
	return ParseKey(private)
}

// LoadKey reads a key's file, and rejects one that other users can read.
func LoadKey(path string) (Key, error) {
	b, err := strict.Private(path)
	if err != nil {
		return Key{}, fmt.Errorf("the ledger's key can't be read: %w", err)
	}
	key, err := ParseKey(string(b))
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// LoadOrCreateKey loads a key's file, or creates it where there is none.
func LoadOrCreateKey(path, name string) (Key, error) {
	key, err := LoadKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return CreateKey(path, name)
	}
	return key, err
}
