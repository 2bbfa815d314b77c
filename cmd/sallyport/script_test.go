package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/cmd/internal/clitest"
	"github.com/sallyport/sallyport/sallyporttest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sallyport": main})
}

// TestScripts runs the program as far as that takes no gateway. What takes one is
// in dev/instancetest.
func TestScripts(t *testing.T) {
	clitest.Scripts(t, func(env *testscript.Env) error { return given(t, env.WorkDir) })
}

func TestHelpTeaches(t *testing.T) { clitest.HelpTeaches(t, command()) }

func TestReference(t *testing.T) { clitest.Reference(t, command) }

// given writes what a gateway gives to auditors: its ledger's public key, the
// proof of a call and the published log, and an earlier checkpoint.
func given(t *testing.T, dir string) error {
	t.Helper()
	secret := t.TempDir()
	key, err := ledger.CreateKey(filepath.Join(secret, "ledger.key"), "ledger.example")
	if err != nil {
		return err
	}
	database := ledger.Database{Path: filepath.Join(secret, "ledger.db")}
	for n, to := range []string{"kept", "published"} {
		l, err := ledger.Open(t.Context(), ledger.Options{Database: database, Signer: key})
		if err != nil {
			return err
		}
		for _, e := range sallyporttest.Approved(n) {
			if _, err := l.Record(t.Context(), e); err != nil {
				return err
			}
		}
		if err := l.Close(); err != nil { // it signs
			return err
		}
		if err := publish(t, database, filepath.Join(dir, to), key); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "ledger.pub"), []byte(key.Public+"\n"), 0o600)
}

func publish(t *testing.T, d ledger.Database, dir string, key ledger.Key) error {
	t.Helper()
	a, err := ledger.OpenArchive(t.Context(), d)
	if err != nil {
		return err
	}
	defer a.Close()
	if _, err := a.Publish(t.Context(), dir, note.VerifierList(key.Verifier())); err != nil {
		return err
	}
	file, err := a.Prove(t.Context(), sallyporttest.Approved(0)[0].CallID, true)
	if err != nil {
		return err
	}
	b, err := json.Marshal(file)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(filepath.Dir(dir), "proof.json"), b, 0o600)
}
