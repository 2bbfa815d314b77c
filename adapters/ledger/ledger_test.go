package ledger_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/sallyporttest"
)

// place is where a test has its ledger.
type place struct {
	path    string // of a SQLite database, or
	dsn     string // the gateway's of a PostgreSQL database
	owner   string // the same database for its owner
	eraser  string // and for who erases
	key     ledger.Key
	keyFile string
}

func (p place) database() ledger.Database { return ledger.Database{Path: p.path, DSN: p.dsn} }

func newPlace(t testing.TB) place {
	t.Helper()
	dir := t.TempDir()
	p := place{path: filepath.Join(dir, "ledger.db"), keyFile: filepath.Join(dir, "ledger.key")}
	p.createKey(t)
	return p
}

func (p *place) createKey(t testing.TB) {
	t.Helper()
	var err error
	if p.key, err = ledger.CreateKey(p.keyFile, "ledger.example/test"); err != nil {
		t.Fatal(err)
	}
}

// open opens the ledger and leaves it to the test to close it early.
func (p place) open(t testing.TB) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(context.Background(), ledger.Options{Database: p.database(), Signer: p.key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, l) })
	return l
}

func mustClose(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

func (p place) verify(t testing.TB, known ...[]byte) (proof.Report, error) {
	t.Helper()
	return ledger.Verify(context.Background(), ledger.VerifyOptions{
		Database: p.database(), Verifiers: note.VerifierList(p.key.Verifier()), Known: known,
	})
}

func (p place) mustVerify(t testing.TB) proof.Report {
	t.Helper()
	r, err := p.verify(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		t.Errorf("finding: %s", f)
	}
	return r
}

func mustRecord(t testing.TB, l sallyport.Recorder, entries ...sallyport.Entry) {
	t.Helper()
	for _, e := range entries {
		if _, err := l.Record(context.Background(), e); err != nil {
			t.Fatalf("recording the %s of call %s: %v", e.Kind, e.CallID, err)
		}
	}
}

func TestConformance(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		sallyporttest.TestRecorder(t, func(t *testing.T) sallyporttest.RecorderReader { return newPlace(t).open(t) })
	})
}

func TestVerify(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	if r := p.mustVerify(t); r.Leaves != 0 || r.Checkpoints != 1 {
		t.Errorf("an empty ledger has %d leaves and %d checkpoints, want 0 and 1", r.Leaves, r.Checkpoints)
	}
	running := sallyporttest.Approved(2)[:7]
	mustRecord(t, l, sallyporttest.Approved(1)...)
	mustRecord(t, l, running...)
	p.mustVerify(t) // while it is open
	mustClose(t, l)
	got := p.mustVerify(t)
	want := proof.Report{
		Leaves: 15, Nodes: 26, Checkpoints: got.Checkpoints, Calls: 2, Root: got.Root,
		Unfinished: []string{running[0].CallID}, Erased: []string{}, Findings: []proof.Finding{},
	}
	if d := cmp.Diff(want, got); d != "" || got.Checkpoints < 2 {
		t.Errorf("%d checkpoints (-want +got)\n%s", got.Checkpoints, d)
	}
	l = p.open(t) // nothing is lost, and nothing is signed twice
	mustClose(t, l)
	if d := cmp.Diff(want, p.mustVerify(t)); d != "" {
		t.Errorf("after opening it again (-want +got)\n%s", d)
	}
}

func TestCheckpointsFollowSoon(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	mustRecord(t, l, sallyporttest.Approved(1)...)
	eventually(t, "a checkpoint covers all leaves", func() bool { return p.mustVerify(t).Unsigned == 0 })
}

func TestClosed(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	entries := sallyporttest.Approved(1)
	mustRecord(t, l, entries[:3]...)
	if err := l.Ping(t.Context()); err != nil {
		t.Errorf("Ping of an open ledger: %v", err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := l.Await(context.Background(), entries[0].CallID, 3)
		waiting <- err
	}()
	mustClose(t, l)
	mustClose(t, l)
	_, err := l.Record(t.Context(), entries[3])
	for what, err := range map[string]error{"Record": err, "Ping": l.Ping(t.Context()), "Await": <-waiting} {
		if sallyport.KindOf(err) != sallyport.Unavailable {
			t.Errorf("%s of a closed ledger: %v", what, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	filled := func(t *testing.T) place {
		p := newPlace(t)
		l := p.open(t)
		mustRecord(t, l, sallyporttest.Approved(1)...)
		mustClose(t, l)
		return p
	}
	for name, tt := range map[string]struct {
		reason string
		harm   func(*testing.T, *place)
		says   string
	}{
		"OtherKey": {"what another key signs belongs to another log", func(t *testing.T, p *place) {
			p.key = newPlace(t).key
		}, "not signed by this key"},
		"OtherName": {"the name is the log's origin", func(t *testing.T, p *place) {
			key, err := ledger.CreateKey(filepath.Join(t.TempDir(), "key"), "elsewhere.example")
			if err != nil {
				t.Fatal(err)
			}
			p.key = key
		}, "open it with the key that signed it"},
		"NoDatabase": {"it would be overwritten", func(t *testing.T, p *place) {
			if err := os.WriteFile(p.path, []byte(strings.Repeat("notes ", 200)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a database"},
		"OtherSchema": {"a trigger can change what is written", func(t *testing.T, p *place) {
			p.edit(t).exec("CREATE TRIGGER quiet AFTER INSERT ON calls BEGIN UPDATE calls SET state = 'succeeded'; END")
		}, "trigger quiet does not belong there"},
		"ChangedNode": {"a changed tree must not get a signature", func(t *testing.T, p *place) {
			p.tamper(t, "UPDATE nodes SET hash = zeroblob(32) WHERE idx = (SELECT max(idx) FROM nodes)")
		}, "the head's hash is not that of the tree"},
		"MissingNode": {"nor one with a hole", func(t *testing.T, p *place) {
			p.tamper(t, "DELETE FROM nodes WHERE idx = (SELECT max(idx) FROM nodes)")
		}, "is missing"},
		"NoCheckpoints": {"a log that was never signed could be any", func(t *testing.T, p *place) {
			p.tamper(t, "DELETE FROM checkpoints; UPDATE head SET checkpoints = 0")
		}, "there are leaves and no checkpoint"},
		"CutOff": {"signed leaves can't be removed", func(t *testing.T, p *place) {
			p.tamper(t, `DELETE FROM nodes; DELETE FROM leaves;
				UPDATE head SET size = 0, hash = x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'`)
		}, "a tree of 8 leaves was signed, and there are 0"},
		"Directory": {"it is no file", func(_ *testing.T, p *place) { p.path = filepath.Dir(p.path) }, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			p := filled(t)
			tt.harm(t, &p)
			l, err := ledger.Open(t.Context(), ledger.Options{Database: p.database(), Signer: p.key})
			if err == nil {
				mustClose(t, l)
				t.Fatalf("it was opened: %s", tt.reason)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %q does not say %q", err, tt.says)
			}
		})
	}
	if _, err := ledger.Open(t.Context(), ledger.Options{Database: ledger.Database{Path: "x.db"}}); err == nil {
		t.Error("a ledger without a signer was opened")
	}
	if _, err := ledger.Open(t.Context(), ledger.Options{Signer: newPlace(t).key}); err == nil {
		t.Error("a ledger without a path was opened")
	}
}

// TestTamperedWhileOpen shows that a log that changes behind our back gets no
// more entries and no more signatures.
func TestTamperedWhileOpen(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	entries := sallyporttest.Approved(1)
	mustRecord(t, l, entries[:3]...)
	p.edit(t).exec("UPDATE head SET hash = zeroblob(32)")
	for range 2 {
		_, err := l.Record(t.Context(), entries[3])
		if sallyport.KindOf(err) != sallyport.Unavailable {
			t.Errorf("recorded in a tampered ledger: %v", err)
		}
	}
	if err := l.Ping(t.Context()); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("Ping of a tampered ledger: %v", err)
	}
}

func TestDatabaseIsPrivate(t *testing.T) {
	p := newPlace(t)
	mustRecord(t, p.open(t), sallyporttest.Approved(1)...)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(p.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v; it holds what agents sent", info.Name(), info.Mode())
		}
	}
}

func TestContextEndsWhileItWaits(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	entries := sallyporttest.Approved(1)
	mustRecord(t, l, entries[0])
	db := p.edit(t)
	db.exec("BEGIN IMMEDIATE") // another process writes, and takes its time
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := l.Record(ctx, entries[1])
	if sallyport.KindOf(err) != sallyport.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v; want that it was not done in time", err)
	}
	db.exec("ROLLBACK")
	mustRecord(t, l, entries[1])
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not so in time: %s", what)
		}
	}
}
