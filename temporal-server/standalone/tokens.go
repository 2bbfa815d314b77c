package standalone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport/sallyport/temporal-server/authz"
)

// renewEvery is how often the files are looked after. Tokens are issued anew
// after half of their hour, so that one that is read is valid for 25 minutes
// at least.
const renewEvery = 5 * time.Minute

// Tokens keeps the tokens of the gateway's services in files. A token is valid
// at this server until it ends, so the files are written anew at each start.
type Tokens struct {
	Dir    string
	Issue  func(authz.Role) (string, error)
	Logger *slog.Logger
}

// Write writes both files. Only the owner may read them, and whoever reads
// finds a whole token, old or new.
func (t Tokens) Write() error {
	if err := os.MkdirAll(t.Dir, 0o700); err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	var errs []error
	for _, role := range []authz.Role{authz.Gateway, authz.Worker} {
		token, err := t.Issue(role)
		if err == nil {
			err = replace(filepath.Join(t.Dir, string(role)+".token"), token)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("tokens: %s.token: %w", role, err))
		}
	}
	return errors.Join(errs...)
}

func replace(path, token string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".token-") // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.WriteString(token + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Keep writes the files again in time until ctx ends. Where that fails it says
// so, and tries again.
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
