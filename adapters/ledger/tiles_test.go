package ledger_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/sallyporttest"
)

// directory reads what was published.
func directory(dir string) func(context.Context, string) ([]byte, error) {
	return func(_ context.Context, path string) ([]byte, error) { return os.ReadFile(filepath.Join(dir, path)) }
}

func (p place) verifyTiles(t testing.TB, fetch func(context.Context, string) ([]byte, error), known ...[]byte) proof.Report {
	t.Helper()
	r, err := proof.VerifyTiles(t.Context(), proof.TilesOptions{Fetch: fetch, Verifiers: note.VerifierList(p.key.Verifier()), Known: known})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// grow records calls and signs them.
func (p place) grow(t testing.TB, from, to int) {
	t.Helper()
	l := p.open(t)
	for n := from; n < to; n++ {
		mustRecord(t, l, sallyporttest.Approved(n)...)
	}
	mustClose(t, l)
}

func (p place) publish(t testing.TB, dir string) {
	t.Helper()
	if _, err := p.archive(t).Publish(t.Context(), dir, note.VerifierList(p.key.Verifier())); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, names ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(names...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTiles publishes a log as it grows over the widths of tiles, and verifies
// what is published, as it is given out and as it is written.
func TestTiles(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p, dir := newPlace(t), t.TempDir()
		var kept [][]byte
		calls := 0
		for _, until := range []int{0, 1, 31, 32, 33, 70} { // of 8 leaves each
			p.grow(t, calls, until)
			calls = until
			p.publish(t, dir)
			p.publish(t, dir) // again changes nothing
			for name, fetch := range map[string]func(context.Context, string) ([]byte, error){"published": directory(dir), "given out": p.archive(t).Tile} {
				if r := p.verifyTiles(t, fetch, kept...); !r.OK() || r.Leaves != int64(8*calls) || r.Calls != int64(calls) {
					t.Errorf("what is %s of %d calls: %d leaves of %d calls, %v", name, calls, r.Leaves, r.Calls, r.Findings)
				}
			}
			kept = append(kept, read(t, dir, "checkpoint"))
		}
	})
}

// TestTilesAreSigned: what no checkpoint covers is not given out, and neither is
// what there is not.
func TestTilesAreSigned(t *testing.T) {
	p := newPlace(t)
	p.grow(t, 0, 40) // 320 leaves
	a := p.archive(t)
	for path, there := range map[string]bool{
		"checkpoint": true, "tile/0/000": true, "tile/0/001.p/64": true, "tile/0/001.p/63": true, "tile/1/000.p/1": true, "tile/entries/000": true, "tile/entries/001.p/64": true,
		"tile/0/001": false, "tile/0/001.p/65": false, "tile/0/002.p/1": false, "tile/1/000": false, "tile/1/000.p/2": false, "tile/2/000.p/1": false,
		"tile/entries/001": false, "tile/entries/001.p/65": false, "tile/entries/002.p/1": false,
		"tile/8/0/000": false, "tile/8/000": false, "tile/0/0": false, "tile/0/-01": false, "tile/entries/../../checkpoint": false, "tile/data/000": false, "tile/0/001.p/0": false,
		"tile/0/001.p/064": false, "": false, "tile": false, "tile/": false, "tile/63/000": false, "tile/0/x9223372036854775807/000": false, "tile/0/x999/x999/x999/x999/x999/x999/999": false,
		"tile/7/x999/999": false, "tile/8/000.p/1": false,
	} {
		b, err := a.Tile(t.Context(), path)
		if there && (err != nil || len(b) == 0) || !there && sallyport.KindOf(err) != sallyport.NotFound {
			t.Errorf("%q: %d bytes, %v; it is there: %t", path, len(b), err, there)
		}
	}
}

// TestPublishRefuses: a directory keeps what it has, whatever becomes of the
// ledger.
func TestPublishRefuses(t *testing.T) {
	p, dir := newPlace(t), t.TempDir()
	p.grow(t, 0, 10)
	early := p.copyTo(t, t.TempDir())
	p.grow(t, 10, 40)
	p.publish(t, dir)
	changed := early.copyTo(t, t.TempDir())
	changed.grow(t, 20, 60)
	other := newPlace(t)
	other.grow(t, 0, 50)
	before := read(t, dir, "checkpoint")
	for name, tt := range map[string]struct {
		place place
		key   place
		says  string
	}{
		"SetBack":     {early, p, "it was set back"},
		"Changed":     {changed, p, "it was changed"},
		"AnotherLog":  {other, other, "another log"},
		"OtherSigner": {other, p, "not signed by the given key"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tt.place.archive(t).Publish(t.Context(), dir, note.VerifierList(tt.key.key.Verifier()))
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v; want it to say %q", err, tt.says)
			}
			if string(read(t, dir, "checkpoint")) != string(before) {
				t.Error("the directory has another checkpoint")
			}
		})
	}
	if r := p.verifyTiles(t, directory(dir)); !r.OK() {
		t.Errorf("%v", r.Findings)
	}
}

// TestChangedTiles changes a published log, and verifies it against a known
// checkpoint.
func TestChangedTiles(t *testing.T) {
	p, dir := newPlace(t), t.TempDir()
	p.grow(t, 0, 10)
	p.publish(t, dir)
	kept := read(t, dir, "checkpoint")
	p.grow(t, 10, 40)
	p.publish(t, dir)
	forked := newPlace(t)
	forked.key = p.key
	forked.grow(t, 20, 60)
	fork := t.TempDir()
	forked.publish(t, fork)
	change := func(path string, edit func([]byte) []byte) func(context.Context, string) ([]byte, error) {
		return func(ctx context.Context, asked string) ([]byte, error) {
			b, err := directory(dir)(ctx, asked)
			if asked == path {
				b = edit(b)
			}
			return b, err
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for name, fetch := range map[string]func(context.Context, string) ([]byte, error){
		"Leaf":       change("tile/entries/000", flip),
		"LastBundle": change("tile/entries/001.p/64", flip),
		"Checkpoint": change("checkpoint", flip),
		"SetBack":    change("checkpoint", func([]byte) []byte { return nil }),
		"Fork":       directory(fork),
	} {
		r, err := proof.VerifyTiles(t.Context(), proof.TilesOptions{Fetch: fetch, Verifiers: note.VerifierList(p.key.Verifier()), Known: [][]byte{kept}})
		if err == nil && r.OK() {
			t.Errorf("%s: it was not noticed", name)
		}
	}
	last := read(t, dir, "checkpoint")
	p2 := p.copyTo(t, t.TempDir())
	back := t.TempDir()
	if err := os.CopyFS(back, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(back, "checkpoint"), kept, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := p2.verifyTiles(t, directory(back), last); r.OK() {
		t.Error("VerifyTiles accepts a log that is older than the known checkpoint")
	}
	if r := p2.verifyTiles(t, directory(back)); !r.OK() {
		t.Errorf("without that it is whole: %v", r.Findings)
	}
	// A full tile stands for the partial one that is not there any more.
	p.grow(t, 40, 80)
	p.publish(t, dir)
	for _, gone := range []string{"tile/entries/001.p", "tile/0/001.p"} {
		if err := os.RemoveAll(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "checkpoint"), last, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := p.verifyTiles(t, directory(dir)); !r.OK() || r.Leaves != 320 {
		t.Errorf("%d leaves, %v", r.Leaves, r.Findings)
	}
}
