package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/adapters/jws"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/cmd/internal/cli"
)

func verifyCommand() *cobra.Command {
	var v verifying
	cmd := &cobra.Command{
		Use:   "verify {FILE | --tiles DIRECTORY|URL}",
		Short: "Verify a proof, or a published log",
		Long: `With FILE, verify a proof that the API or ` + "`sallyport-gateway ledger prove`" + ` made, and
print in plain text what it proves and what it does not. It needs public keys
alone.

With --tiles, read a log that is published and check that its leaves are the tree
that was signed, and that no call lacks one. Keep checkpoints and give them with
--from: the log must extend them.

The log's public key has the signed-note form name+hash+base64, as text or as a
file. Keys of votes in a proof are on the log's word, which its owner could have
made: that the identity provider signed the votes is proven with the keys that it
published, given with --people-keys. --people-issuer alone compares a name.

The gateway's database is verified by ` + "`sallyport-gateway ledger verify`" + `.

The exit code is 0 when the proof holds or nothing was changed, 1 when it does not
or something was changed, and 2 when it could not be verified: a file or a key that
can't be read, a published log that can't be reached, a version newer than this
program.`,
		Example: `  sallyport verify proof.json --key ledger.pub --api-keys api.pub
  sallyport verify --tiles https://sallyport.example.com/ledger --key ledger.pub --from last-month.checkpoint`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case (len(args) == 1) == (v.tiles != ""):
				return errors.New("say what to verify: either the FILE of a proof, or where a log is published, with --tiles")
			case len(args) == 1 && cmd.Flags().Changed("from"):
				return errors.New("--from is for --tiles: a proof has the leaves of one call, and does not show what the log extends")
			case len(args) == 1:
				return v.file(cmd.OutOrStdout(), args[0])
			default:
				return v.published(cmd.Context(), cmd.OutOrStdout())
			}
		},
	}
	f := cmd.Flags()
	v.trust.Flags(f)
	f.StringVar(&v.tiles, "tiles", "", "`directory or URL` where the log is published")
	plainHTTPFlag(f, &v.plainHTTP)
	f.StringVar(&v.tokenFile, "token-file", "", "`file` with the token of an auditor, where --tiles is a gateway's /ledger")
	f.StringVar(&v.api, "api-keys", "", "`file` with the API's public keys (PEM), with which a proof's call and votes are checked too")
	for _, of := range []string{"api-keys", "people-keys", "people-issuer", "vote-audience"} { // a published log has no votes to verify
		cmd.MarkFlagsMutuallyExclusive("tiles", of)
	}
	return cli.Looks(cmd)
}

// verifying is what the flags of verify say.
type verifying struct {
	trust     cli.Trust
	api       string // file of keys
	tiles     string // where the log is published
	tokenFile string
	plainHTTP string
}

// file verifies a proof.
func (v *verifying) file(w io.Writer, name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("the proof can't be read: %w", err)
	}
	o, err := v.proofOptions()
	if err != nil {
		return err
	}
	r, err := proof.Verify(data, o)
	if errors.Is(err, proof.ErrNewer) {
		return fmt.Errorf("the proof is not verified: %w", err)
	}
	if err != nil {
		fmt.Fprintf(w, "NOT PROVEN: %v\n", err)
		return cli.ExitCode(1)
	}
	fmt.Fprintf(w, "Of %s it proves that\n", r.Call)
	for _, p := range r.Proves {
		fmt.Fprintln(w, "  "+p)
	}
	fmt.Fprintln(w, "It does not prove")
	for _, n := range r.Not {
		fmt.Fprintln(w, "  "+n)
	}
	return nil
}

func (v *verifying) proofOptions() (proof.Options, error) {
	var o proof.Options
	var err error
	if o.Verifiers, err = v.trust.Verifiers(); err != nil {
		return o, err
	}
	votes, err := v.trust.Votes()
	if err != nil {
		return o, err
	}
	o.SignedVote, o.ProviderKeys = votes.Verify, v.trust.ProviderKeys()
	if v.api == "" {
		return o, nil
	}
	keys, err := jws.LoadPublicKeys(v.api)
	if err != nil {
		return o, fmt.Errorf("the API's keys: %w", err)
	}
	verifier, err := jws.NewVerifier(keys...)
	if err != nil {
		return o, err
	}
	o.SignedCall, o.Attestation = verifier.VerifyCall, verifier.VerifyAttestation
	return o, nil
}

// published verifies a log that is published, in a directory or on the web.
func (v *verifying) published(ctx context.Context, w io.Writer) error {
	o := proof.TilesOptions{Fetch: directory(v.tiles)}
	if strings.HasPrefix(v.tiles, "https://") || strings.HasPrefix(v.tiles, "http://") {
		token, err := v.token(ctx)
		if err != nil {
			return err
		}
		o.Fetch = website(strings.TrimSuffix(v.tiles, "/"), token)
	}
	var err error
	if o.Verifiers, err = v.trust.Verifiers(); err != nil {
		return err
	}
	if o.Known, err = v.trust.Known(); err != nil {
		return err
	}
	report, err := proof.VerifyTiles(ctx, o)
	if err != nil {
		return err
	}
	return v.trust.ShowReport(w, report)
}

// token is an auditor's, from a file or a log-in that is kept for the gateway, and ""
// where there is neither.
func (v *verifying) token(ctx context.Context) (string, error) {
	at := connection{server: strings.TrimSuffix(strings.TrimSuffix(v.tiles, "/"), "/ledger"), plainHTTP: v.plainHTTP, tokenFile: v.tokenFile}
	switch {
	case v.tokenFile == "" && !at.keeps():
		return "", nil
	case v.tokenFile == "":
		return at.keptToken(ctx)
	}
	if err := client.MaySend(v.tiles, v.plainHTTP); err != nil {
		return "", err
	}
	return at.token(ctx)
}

func directory(dir string) func(context.Context, string) ([]byte, error) {
	return func(_ context.Context, path string) ([]byte, error) {
		return os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
	}
}

// maxTile is more than a bundle of the longest leaves.
const maxTile = proof.TileWidth*(2+proof.MaxLeaf) + 1

func website(base, token string) func(context.Context, string) ([]byte, error) {
	c := &http.Client{Timeout: time.Minute}
	return func(ctx context.Context, path string) ([]byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/"+path, nil)
		if err != nil {
			return nil, err
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := c.Do(r)
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(io.LimitReader(response.Body, maxTile))
		err = errors.Join(err, response.Body.Close())
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", r.URL, err)
		case response.StatusCode != http.StatusOK:
			return nil, fmt.Errorf("%s: %s", r.URL, response.Status)
		case len(b) == maxTile:
			return nil, fmt.Errorf("%s: the response is longer than any part of a log", r.URL)
		}
		return b, nil
	}
}
