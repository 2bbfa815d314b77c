package ledger_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/sallyporttest"
)

// service is a signer like a key management service: it is slow, hangs or
// fails.
type service struct {
	ledger.Key

	mu   sync.Mutex
	fail error
	hold chan struct{} // Sign waits for it; nil means no wait
}

func (s *service) Sign(ctx context.Context, msg []byte) ([]byte, error) {
	s.mu.Lock()
	fail, hold := s.fail, s.hold
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if fail != nil {
		return nil, fail
	}
	return s.Key.Sign(ctx, msg)
}

func (s *service) set(fail error, hold chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail, s.hold = fail, hold
}

// TestSlowSigner: what is recorded waits for no signature, and is signed when
// there is one.
func TestSlowSigner(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		for name, set := range map[string]func(*service) (end func()){
			"Slow": func(s *service) func() {
				hold := make(chan struct{})
				s.set(nil, hold)
				return func() { close(hold) }
			},
			"Failing": func(s *service) func() {
				s.set(errors.New("the key's service is out of reach"), nil)
				return func() { s.set(nil, nil) }
			},
		} {
			t.Run(name, func(t *testing.T) {
				p := newPlace(t)
				signer := &service{Key: p.key}
				l, err := ledger.Open(t.Context(), ledger.Options{Database: p.database(), Signer: signer})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { mustClose(t, l) })
				end := set(signer)
				for n := range 5 {
					mustRecord(t, l, sallyporttest.Approved(n)...)
				}
				if r := p.mustVerify(t); r.Leaves != 40 || r.Unsigned != 40 {
					t.Errorf("%d leaves, %d of them unsigned, want 40", r.Leaves, r.Unsigned)
				}
				end()
				eventually(t, "all is signed", func() bool { return p.mustVerify(t).Unsigned == 0 })
			})
		}
	})
}

// TestRotation replaces the key: earlier checkpoints of the old key stay valid,
// later ones are findings, and the new key does not open the ledger without the
// old key's public half.
func TestRotation(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		p.grow(t, 0, 2)
		old := p.key
		replaced := p
		replaced.keyFile = t.TempDir() + "/second.key"
		replaced.createKey(t)
		open := func(o ledger.Options) (*ledger.Ledger, error) {
			o.Database = p.database()
			return ledger.Open(t.Context(), o)
		}
		if _, err := open(ledger.Options{Signer: replaced.key}); sallyport.KindOf(err) != sallyport.Internal {
			t.Errorf("another key went on without the old one's public half: %v", err)
		}
		l, err := open(ledger.Options{Signer: replaced.key, OldKeys: []note.Verifier{old.Verifier()}})
		if err != nil {
			t.Fatal(err)
		}
		mustRecord(t, l, sallyporttest.Approved(2)...)
		mustClose(t, l)
		verify := func(keys ...note.Verifier) (proof.Report, error) {
			return ledger.Verify(t.Context(), ledger.VerifyOptions{Database: p.database(), Verifiers: note.VerifierList(keys...)})
		}
		if r, err := verify(old.Verifier(), replaced.key.Verifier()); err != nil || !r.OK() || r.Unsigned != 0 {
			t.Errorf("with both keys: %v, %v", r.Findings, err)
		}
		for name, key := range map[string]note.Verifier{"the old": old.Verifier(), "the new": replaced.key.Verifier()} {
			if r, err := verify(key); err == nil && r.OK() {
				t.Errorf("%s key alone vouches for what the other signed", name)
			}
		}
		// A thief of the old key signs with it.
		l, err = open(ledger.Options{Signer: old, OldKeys: []note.Verifier{replaced.key.Verifier()}})
		if err != nil {
			t.Fatal(err)
		}
		mustRecord(t, l, sallyporttest.Approved(3)...)
		mustClose(t, l)
		if r, err := verify(old.Verifier(), replaced.key.Verifier()); err != nil || r.OK() {
			t.Errorf("Verify accepts a checkpoint that a replaced key signed: %v", err)
		}
	})
}

// TestKeyIsNowhere looks for the private key in the database and in the log,
// while signing works and while it does not.
func TestKeyIsNowhere(t *testing.T) {
	p := newPlace(t)
	private, err := os.ReadFile(p.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(strings.TrimSpace(string(private)), "+", 5) // PRIVATE, KEY, name, hash, key
	encoded := parts[len(parts)-1]
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) != 33 { // the algorithm, and the seed
		t.Fatalf("the key's file is not as it was: %d bytes, %v", len(raw), err)
	}
	var log bytes.Buffer
	signer := &service{Key: p.key}
	l, err := ledger.Open(t.Context(), ledger.Options{
		Database: p.database(), Signer: signer, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	mustRecord(t, l, sallyporttest.Approved(1)...)
	eventually(t, "it is signed", func() bool { return p.mustVerify(t).Unsigned == 0 })
	signer.set(errors.New("no signature"), nil)
	mustRecord(t, l, sallyporttest.Approved(2)...)
	mustClose(t, l)
	if !strings.Contains(log.String(), "not signed") {
		t.Errorf("the log does not say that signing failed: %s", log.String())
	}
	all := log.String()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		b, err := os.ReadFile(p.path + suffix)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		all += string(b)
	}
	for _, s := range []string{encoded, string(raw[1:]), "PRIVATE"} {
		if strings.Contains(all, s) {
			t.Error("the private key is in the database or the log")
		}
	}
}
