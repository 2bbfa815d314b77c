package standalone_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/temporal-server/authz"
	"github.com/sallyport/sallyport/temporal-server/standalone"
)

func TestTokens(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	word := "first"
	tokens := standalone.Tokens{Dir: dir, Logger: slog.New(slog.DiscardHandler), Issue: func(r authz.Role) (string, error) { return word + " of " + string(r), nil }}
	for _, word = range []string{"first", "second"} {
		if err := tokens.Write(); err != nil {
			t.Fatal(err)
		}
		for _, role := range []authz.Role{authz.Gateway, authz.Worker} {
			got, err := strict.Secret(filepath.Join(dir, string(role)+".token")) // refused where others may read
			if err != nil || got != word+" of "+string(role) {
				t.Errorf("%s.token is %q, %v", role, got, err)
			}
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the directory has %v, want the two tokens: %v", entries, err)
	}
	tokens.Issue = func(authz.Role) (string, error) { return "", errors.New("no key") }
	if err := tokens.Write(); err == nil {
		t.Error("no token was written, and no error said so")
	}
	if got, err := strict.Secret(filepath.Join(dir, "worker.token")); got != "second of worker" {
		t.Errorf("a token was lost: %q, %v", got, err)
	}
}

func TestSecretOfOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := strict.Secret(path); err == nil {
		t.Error("a secret that others may read was taken")
	}
}
