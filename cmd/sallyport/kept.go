package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/strict"
)

// kept are the log-ins that are kept, by the gateway's URL. They read and call.
// What takes a person's authority (to vote, to freeze, to lift, to cancel) has
// a log-in of its own, so that an agent on the person's machine, which can run this
// program as well as they can, finds nothing there to vote with.
type kept struct {
	file   string // "" where the account has no directory for it
	logins map[string]client.Kept
}

// readKept reads the file of the log-ins, which need not be there. It refuses one
// that other accounts can read.
func readKept() (kept, error) {
	dir, err := stateDir()
	if err != nil {
		return kept{logins: map[string]client.Kept{}}, nil //nolint:nilerr // an account without a home keeps none
	}
	k := kept{filepath.Join(dir, "sallyport", "logins.json"), map[string]client.Kept{}}
	b, err := private(k.file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return k, nil
	case err != nil:
		return k, fmt.Errorf("the kept log-ins can't be read: %w", err)
	}
	if err := json.Unmarshal(b, &k.logins); err != nil || k.logins == nil {
		return k, fmt.Errorf("the kept log-ins in %s can't be read: remove the file and log in again with `sallyport login`", k.file)
	}
	return k, nil
}

// private reads a file that other accounts can't. On Windows the directory's access
// list says so, and no mode does.
func private(file string) ([]byte, error) {
	if runtime.GOOS == "windows" {
		return strict.ReadFile(file, 1<<20)
	}
	return strict.Private(file)
}

// stateDir is where programs keep what outlives them, for one user.
func stateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	switch runtime.GOOS {
	case "windows":
		return os.UserCacheDir() // %LocalAppData%, which does not roam
	case "darwin":
		return os.UserConfigDir() // ~/Library/Application Support
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "state"), err
}

// write replaces the file. A program that reads meanwhile reads the old one or the
// new one.
func (k kept) write() error {
	if k.file == "" {
		return errors.New("the log-in can't be kept: the account has no home directory: set $XDG_STATE_HOME")
	}
	b, err := json.MarshalIndent(k.logins, "", "  ") //nolint:gosec // the token is what is kept, for its owner alone
	if err == nil {
		err = os.MkdirAll(filepath.Dir(k.file), 0o700)
	}
	if err != nil {
		return fmt.Errorf("the log-in can't be kept: %w", err)
	}
	if err := strict.WritePrivate(k.file, append(b, '\n')); err != nil {
		return fmt.Errorf("the log-in can't be kept: %w", err)
	}
	return nil
}

// gatewayKey is the name under which a gateway's log-in is kept.
func gatewayKey(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	return u.Scheme + "://" + strings.ToLower(u.Host) + strings.TrimSuffix(u.Path, "/")
}

// keeps reports whether a log-in is kept for the gateway.
func (c *connection) keeps() bool {
	server, err := c.address()
	if err != nil {
		return false
	}
	k, err := readKept()
	_, ok := k.logins[gatewayKey(server)]
	return err == nil && ok
}

// keptToken is the token of the log-in that is kept for the gateway, renewed if it
// has expired.
func (c *connection) keptToken(ctx context.Context) (string, error) {
	server, err := c.address()
	if err != nil {
		return "", err
	}
	k, err := readKept()
	if err != nil {
		return "", err
	}
	key := gatewayKey(server)
	login, ok := k.logins[key]
	if !ok {
		return "", fmt.Errorf("no identity for this request: give a token with --token-file or $SALLYPORT_TOKEN, log in with `sallyport login%s`, or in development --as NAME", c.serverFlag())
	}
	if login.Fresh(time.Now()) {
		return login.AccessToken, nil
	}
	renewed, err := login.Refresh(ctx)
	now, readErr := readKept() // another command may have renewed it meanwhile
	if readErr != nil {
		return "", readErr
	}
	if err != nil {
		if other := now.logins[key]; other.AccessToken != login.AccessToken && other.Fresh(time.Now()) {
			return other.AccessToken, nil
		}
		if errors.Is(err, client.ErrEnded) {
			return "", fmt.Errorf("%w; log in again with:\n  sallyport login%s --issuer %s --client-id %s", err, c.serverFlag(), login.Issuer, login.ClientID)
		}
		return "", err
	}
	now.logins[key] = renewed
	return renewed.AccessToken, now.write()
}

// serverFlag is how another command comes to the same gateway.
func (c *connection) serverFlag() string {
	if c.server == "" {
		return ""
	}
	return " --server " + shellWord(c.server)
}
