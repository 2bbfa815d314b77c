package instancetest_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
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
	i := instancetest.Start(t, instancetest.Options{Dir: dir, IdentityProvider: earlierProvider})

	awaitState(t, i, earlierApproved, sallyport.Succeeded)
	awaitState(t, i, earlierWaiting, sallyport.Expired)
	if n := commits(t, i)[earlierApproved]; n != 1 {
		t.Errorf("the approved call has %d commits, want 1", n)
	}
	later, err := i.Client(t, "deploy-bot").Submit(t.Context(), read("staging/api"))
	if err != nil {
		t.Fatalf("the ledger of the earlier build takes no call: %v", err)
	}
	awaitState(t, i, later.ID, sallyport.Succeeded)

	for _, arguments := range [][]string{{"--ledger", i.Path("ledger.db")}, {i.Path("approved.proof")}} {
		arguments = append([]string{"ledger", "verify", "--key", i.Path("ledger.pub")}, arguments...)
		if r := instancetest.Command(t, "sallyport", arguments...); r.Code != 0 {
			t.Errorf("sallyport %q: %s%s", arguments, r.Stdout, r.Stderr)
		}
	}
}

func awaitState(t *testing.T, i *instancetest.Instance, id string, want sallyport.State) {
	t.Helper()
	instancetest.Await(t, "call "+id+" is "+string(want), func() bool { return stateOf(t, i, id) == want })
}

// stateOf asks as an auditor, who sees the calls of every agent.
func stateOf(t *testing.T, i *instancetest.Instance, id string) sallyport.State {
	t.Helper()
	status, text := do(t, i, "audra", http.MethodGet, "/v1/calls/"+id, "", nil)
	var call struct{ State sallyport.State }
	if err := json.Unmarshal([]byte(text), &call); err != nil || status != http.StatusOK {
		t.Fatalf("GET /v1/calls/%s is answered with %d: %s", id, status, text)
	}
	return call.State
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
