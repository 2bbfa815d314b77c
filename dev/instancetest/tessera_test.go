package instancetest_test

import (
	"net/url"
	"os"
	"testing"
	"time"

	merkle "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/dev/instancetest"
)

// TestTessera gives the log to the client and the checker of another project:
// over HTTP while the instance runs, and from a directory.
func TestTessera(t *testing.T) {
	t.Parallel()
	i := instancetest.Start(t, instancetest.Options{})
	bot := i.Client(t, "deploy-bot")
	call := read("staging/api")
	call.Key, call.Wait = "", time.Minute
	for range 55 { // of five leaves each, more than a tile is wide
		if _, err := bot.Submit(t.Context(), call); err != nil {
			t.Fatal(err)
		}
	}
	public, err := os.ReadFile(i.Path("ledger.pub"))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := proof.ParseVerifier(string(public))
	if err != nil {
		t.Fatal(err)
	}
	root, err := url.Parse(i.Info().API + "/ledger/")
	if err != nil {
		t.Fatal(err)
	}
	served, err := client.NewHTTPFetcher(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	served.SetAuthorizationHeader("Bearer " + i.Token(t, "audra"))
	instancetest.Await(t, "all leaves are signed", func() bool {
		c, _, _, err := client.FetchCheckpoint(t.Context(), served.ReadCheckpoint, verifier, verifier.Name())
		return err == nil && c.Size >= 5*55
	})
	checkLog(t, served, verifier)

	dir := t.TempDir()
	r := instancetest.Command(t, "sallyport-gateway", "ledger", "publish", dir, "--ledger", i.Path("ledger.db"), "--key", i.Path("ledger.pub"))
	if r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	checkLog(t, client.FileFetcher{Root: dir}, verifier)

	token := t.TempDir() + "/token"
	if err := os.WriteFile(token, []byte(i.Token(t, "audra")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, where := range [][]string{{dir}, {root.String(), "--token-file", token}} {
		arguments := append([]string{"verify", "--key", i.Path("ledger.pub"), "--from", dir + "/checkpoint", "--tiles"}, where...)
		if r := instancetest.Command(t, "sallyport", arguments...); r.Code != 0 {
			t.Errorf("verifying %s: %s%s", where[0], r.Stdout, r.Stderr)
		}
	}
	if r := instancetest.Command(t, "sallyport", "verify", "--key", i.Path("ledger.pub"), "--tiles", root.String()); r.Code == 0 {
		t.Error("the log is given to a caller without a token")
	}
}

// checkLog has a log checked as a whole, and some of its leaves proven.
func checkLog(t *testing.T, log fsck.Fetcher, verifier note.Verifier) {
	t.Helper()
	hash := func(bundle []byte) ([][]byte, error) {
		var b api.EntryBundle
		if err := b.UnmarshalText(bundle); err != nil {
			return nil, err
		}
		hashes := make([][]byte, len(b.Entries))
		for n, e := range b.Entries {
			hashes[n] = rfc6962.DefaultHasher.HashLeaf(e)
		}
		return hashes, nil
	}
	if err := fsck.New(verifier.Name(), verifier, log, hash, fsck.Opts{N: 2}).Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, _, _, err := client.FetchCheckpoint(t.Context(), log.ReadCheckpoint, verifier, verifier.Name())
	if err != nil {
		t.Fatal(err)
	}
	prover, err := client.NewProofBuilder(t.Context(), c.Size, log.ReadTile)
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range []uint64{0, 1, 255, 256, c.Size - 1} {
		p, err := prover.InclusionProof(t.Context(), index)
		if err != nil {
			t.Fatal(err)
		}
		leaves, err := client.FetchLeafHashes(t.Context(), log.ReadTile, index, 1, c.Size)
		if err != nil {
			t.Fatal(err)
		}
		if err := merkle.VerifyInclusion(rfc6962.DefaultHasher, index, c.Size, leaves[0], p, c.Hash); err != nil {
			t.Errorf("leaf %d: %v", index, err)
		}
	}
}
