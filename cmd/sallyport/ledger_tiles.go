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

	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

func publishCommand() *cobra.Command {
	var v verifying
	cmd := &cobra.Command{
		Use:   "publish DIR --key KEY",
		Short: "Write the log into a directory, for others to keep and verify",
		Long: `Write the log, as far as it is signed, into a directory as C2SP tlog-tiles has it:
a checkpoint, tiles of hashes, and bundles of leaves. There is nothing in it but
what leaves show. Any web server can serve the directory, and any monitor of such
logs can follow it; sallyport ledger verify --tiles reads it too.

Run it by a timer: it goes on where it stopped. It refuses a log that does not
extend the one that the directory has. Keep the directory where whoever can write
to the ledger's database can't write.`,
		Example: `  sallyport ledger publish /srv/ledger --key ledger.pub`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			verifiers, err := v.verifiers()
			if err != nil {
				return err
			}
			return v.database.archive(cmd.Context(), func(a *ledger.Archive) error {
				n, err := a.Publish(cmd.Context(), args[0], verifiers)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s has the log's %d signed leaves\n", args[0], n)
				return err
			})
		},
	}
	v.database.flags(cmd.Flags())
	v.keyFlag(cmd.Flags())
	return cmd
}

// published verifies a log that is published, in a directory or on the web.
func (v *verifying) published(ctx context.Context, w io.Writer) error {
	o := proof.TilesOptions{Fetch: directory(v.tiles)}
	if strings.HasPrefix(v.tiles, "https://") || strings.HasPrefix(v.tiles, "http://") {
		var token string
		if v.tokenFile != "" {
			b, err := os.ReadFile(v.tokenFile)
			if err != nil {
				return fmt.Errorf("the token can't be read: %w", err)
			}
			token = strings.TrimSpace(string(b))
		}
		o.Fetch = website(strings.TrimSuffix(v.tiles, "/"), token)
	}
	var err error
	if o.Verifiers, err = v.verifiers(); err != nil {
		return err
	}
	if o.Known, err = v.known(); err != nil {
		return err
	}
	report, err := proof.VerifyTiles(ctx, o)
	if err != nil {
		return err
	}
	return showReport(w, report)
}

func directory(dir string) func(context.Context, string) ([]byte, error) {
	return func(_ context.Context, path string) ([]byte, error) {
		return os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
	}
}

// maxTile is more than a bundle of the longest leaves.
const maxTile = 256*(2+65535) + 1

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
		answer, err := c.Do(r)
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(io.LimitReader(answer.Body, maxTile))
		err = errors.Join(err, answer.Body.Close())
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", r.URL, err)
		case answer.StatusCode != http.StatusOK:
			return nil, fmt.Errorf("%s: %s", r.URL, answer.Status)
		case len(b) == maxTile:
			return nil, fmt.Errorf("%s: the answer is longer than any part of a log", r.URL)
		}
		return b, nil
	}
}
