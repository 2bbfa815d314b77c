package ledger_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

func TestKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.key")
	made, err := ledger.LoadOrCreateKey(path, "ledger.example")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the key's file has mode %v, %v", info.Mode(), err)
	}
	loaded, err := ledger.LoadOrCreateKey(path, "another.example")
	if err != nil || loaded.Public != made.Public {
		t.Fatalf("loaded %s, %v; want %s", loaded.Public, err, made.Public)
	}
	verifier, err := note.NewVerifier(made.Public)
	if err != nil {
		t.Fatal(err)
	}
	if signature, err := loaded.Sign(t.Context(), []byte("text")); err != nil || !verifier.Verify([]byte("text"), signature) {
		t.Errorf("the public key doesn't verify what the private one signed: %v", err)
	}
	if _, err := ledger.CreateKey(path, "ledger.example"); err == nil {
		t.Error("a key was overwritten")
	}
}

func TestKeyRefused(t *testing.T) {
	private, public, err := ledger.NewKey("ledger.example")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		content string
		mode    os.FileMode
		says    string
	}{
		"OthersMayRead": {private, 0o640, "has mode 0640"},
		"Public":        {public, 0o600, "not a ledger's private key"},
		"Empty":         {"", 0o600, "not a ledger's private key"},
		"Changed":       {strings.Replace(private, "ledger.example", "other.example", 1), 0o600, "not a ledger's private key"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger.key")
			if err := os.WriteFile(path, []byte(tt.content), tt.mode); err != nil {
				t.Fatal(err)
			}
			for what, load := range map[string]func() error{
				"LoadKey":         func() error { _, err := ledger.LoadKey(path); return err },
				"LoadOrCreateKey": func() error { _, err := ledger.LoadOrCreateKey(path, "x.example"); return err },
			} {
				err := load()
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%s: error %v does not say %q", what, err, tt.says)
				}
				if err != nil && strings.Contains(err.Error(), private) {
					t.Errorf("%s: the error shows the key", what)
				}
			}
		})
	}
	for _, name := range []string{"", "with space", "a+b"} {
		if _, _, err := ledger.NewKey(name); err == nil {
			t.Errorf("a key was named %q", name)
		}
	}
	if _, err := proof.Verifiers("nonsense"); err == nil {
		t.Error("nonsense became a verifier")
	}
}
