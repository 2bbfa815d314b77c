package jws_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/adapters/jws"
)

func TestCreateKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.key")
	key, err := jws.CreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %04o, want 0600", info.Mode().Perm())
	}
	loaded, err := jws.LoadPrivateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if !loaded.Equal(key) {
		t.Error("another key was loaded than was made")
	}
	if _, err := jws.CreateKey(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("making a key where one is: %v", err)
	}
	if again, err := jws.LoadPrivateKey(path); err != nil || !again.Equal(key) {
		t.Errorf("the key that was there is gone: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestLoadPrivateKeyRefuses(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good")
	if _, err := jws.CreateKey(good); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		content []byte
		mode    os.FileMode
		want    string
	}{
		"WorldReadable": {content, 0o604, "chmod 0600"},
		"GroupWritable": {content, 0o620, "chmod 0600"},
		"NoPEM":         {[]byte("secret"), 0o600, "one PEM block"},
		"Trailing":      {append(slices.Clip(content), "more"...), 0o600, "nothing after it"},
		"OtherKind":     {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600, "must hold an Ed25519 key"},
		"Broken":        {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der[:9]}), 0o600, "asn1"},
		"Huge":          {make([]byte, 1<<20), 0o600, "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, tt.content, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := jws.LoadPrivateKey(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v; want one about %q that names the file", err, tt.want)
			}
		})
	}
	if _, err := jws.LoadPrivateKey(t.TempDir()); err == nil {
		t.Error("a directory is no key")
	}
	if _, err := jws.LoadPrivateKey(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestLoadPublicKeys(t *testing.T) {
	first, _ := newKey(t)
	second, private := newKey(t)
	good, err := jws.PublicPEM(first, second)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "keys.pem")
	write := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(good)
	keys, err := jws.LoadPublicKeys(path)
	if err != nil || len(keys) != 2 || !keys[0].Equal(first) || !keys[1].Equal(second) {
		t.Fatalf("LoadPublicKeys = %v, %v", keys, err)
	}

	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	otherDER, err := x509.MarshalPKIXPublicKey(&other.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"Empty":      nil,
		"Trailing":   append(slices.Clip(good), "garbage"...),
		"PrivateKey": append(slices.Clip(good), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...),
		"OtherKind":  pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: otherDER}),
	} {
		write(content)
		if keys, err := jws.LoadPublicKeys(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %d keys, %v; want an error that names the file", name, len(keys), err)
		}
	}
	if _, err := jws.PublicPEM(ed25519.PublicKey(nil), first); err == nil {
		t.Error("an empty key was written")
	}
}
