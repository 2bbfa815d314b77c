package standalone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/temporal-server/authz"
)

// renewEvery is how often the files are written. A new token is issued after
// half of the old one's hour, so that a token in a file is valid for at least 25
// minutes.
const renewEvery = 5 * time.Minute

// Tokens writes the tokens of the gateway's services into files. A token is
// valid only for this process, so the files are written again at each start.
type Tokens struct {
	Dir    string
	Issue  func(authz.Role) (string, error)
	Logger *slog.Logger
}

// Write writes both files atomically. Only the owner may read them.
func (t Tokens) Write() error {
	if err := os.MkdirAll(t.Dir, 0o700); err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	var errs []error
	for _, role := range []authz.Role{authz.Gateway, authz.Worker} {
		token, err := t.Issue(role)
		if err == nil {
			err = strict.WritePrivate(filepath.Join(t.Dir, string(role)+".token"), []byte(token+"\n"))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("tokens: %s.token: %w", role, err))
		}
	}
	return errors.Join(errs...)
}

// Keep renews the files until ctx ends. It logs a failure, and tries again.
func (t Tokens) Keep(ctx context.Context) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := t.Write(); err != nil {
			t.Logger.ErrorContext(ctx, "the services' tokens can't be renewed", slog.Any("error", err))
		}
	}
}
