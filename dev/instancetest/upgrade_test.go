package instancetest_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/dev/instancetest"
)

// earlierState is the state directory of a development instance built before
// the first release, stopped while a call waited for approval. Its policy lets
// calls wait for a minute, so the wait is over whenever it is opened again.
// approved.proof is the proof of the approved call, fetched at that time.
const (
	earlierState    = "testdata/state-before-release.tar.gz"
	earlierProvider = "127.0.0.1:28090" // its tokens' issuer, which the stored calls name
	earlierApproved = "ohddvou2hhsq3gum35abu5ptqi"
	earlierWaiting  = "up2ebfnebuqixkszwxvfaeicgm"
)

// TestEarlierState opens the state of an earlier build: its histories replay,
// its ledger verifies and goes on, and a proof made then still holds.
func TestEarlierState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unpack(t, earlierState, dir)
	d := start(t, instancetest.New(t, instancetest.Options{Dir: dir, IdentityProvider: earlierProvider}))

	d.ends(earlierApproved, sallyport.StateSucceeded)
	d.ends(earlierWaiting, sallyport.StateExpired)
	if n := commits(t, d.Instance)[earlierApproved]; n != 1 {
		t.Errorf("the approved call has %d commits, want 1", n)
	}
	d.ends(d.submit(read("staging/api")), sallyport.StateSucceeded)

	for _, command := range [][]string{
		{"sallyport-gateway", "ledger", "verify", "--ledger", d.Path("ledger.db")},
		{"sallyport", "verify", d.Path("approved.proof")},
	} {
		arguments := append(command[1:], "--key", d.Path("ledger.pub"))
		if r := instancetest.Command(t, command[0], arguments...); r.Code != 0 {
			t.Errorf("%q: %s%s", command, r.Stdout, r.Stderr)
		}
	}
}

// unpack writes the files of a tar archive into dir.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(unzipped); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(name, 0o700)
		} else {
			err = write(name, files, h.FileInfo().Mode())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func write(name string, from io.Reader, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
