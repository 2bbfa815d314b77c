package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/cmd/internal/cli"
)

// login says at which identity provider people log in.
type login struct {
	issuer    string
	clientID  string
	audience  string
	noBrowser bool
}

func (l *login) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&l.issuer, "issuer", os.Getenv("SALLYPORT_ISSUER"), "`URL` of the identity provider to log in at ($SALLYPORT_ISSUER; else the development instance's)")
	f.StringVar(&l.clientID, "client-id", cli.VoteClient, "`id` of the public client as which people vote there: the table's vote_audience")
	f.StringVar(&l.audience, "audience", apiAudience, "audience of tokens for the gateway's API")
	f.BoolVar(&l.noBrowser, "no-browser", false, "print the address to log in at, and open no browser")
}

// at is the log-in at the identity provider of a connection.
func (l *login) at(c *connection, out io.Writer) (client.Login, error) {
	issuer := l.issuer
	if issuer == "" {
		if c.server != "" {
			return client.Login{}, errors.New("no identity provider to log in at: give its URL with --issuer or $SALLYPORT_ISSUER")
		}
		i, err := c.instance()
		if err != nil {
			return client.Login{}, err
		}
		issuer = i.IdentityProvider + "/people"
	}
	return client.Login{Issuer: issuer, ClientID: l.clientID, Show: func(ctx context.Context, url string) error {
		if !l.noBrowser {
			openBrowser(ctx, url)
		}
		_, err := fmt.Fprintf(out, "log in at:\n  %s\n", sallyport.Visible(url))
		return err
	}}, nil
}

// client connects as a connection's flags say, and where they name no identity
// after a log-in.
func (l *login) client(ctx context.Context, c *connection, out io.Writer) (*client.Client, error) {
	if !c.anonymous() {
		return c.client(ctx)
	}
	at, err := l.at(c, out)
	if err != nil {
		return nil, err
	}
	return l.clientOf(ctx, c, at)
}

// clientOf connects with what is known of a connection's identity, or with what
// a log-in gives.
func (l *login) clientOf(ctx context.Context, c *connection, at client.Login) (*client.Client, error) {
	if !c.anonymous() {
		return c.client(ctx)
	}
	server, err := c.address()
	if err != nil {
		return nil, err
	}
	token, err := at.AccessToken(ctx, l.audience)
	if err != nil {
		return nil, err
	}
	return client.New(server, token, c.plainHTTP)
}

func loginCommand() *cobra.Command {
	var c connection
	var l login
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Log in to a gateway, and keep the log-in",
		Long: `Log in in your browser, and keep the log-in for the commands that read and call:
one for each gateway, in sallyport/logins.json under $XDG_STATE_HOME (else
~/.local/state; on macOS ~/Library/Application Support, on Windows %LocalAppData%),
a file for your account alone. If the identity provider gives a refresh token, the
log-in renews itself; else log in again when it has expired.

A kept log-in never votes, freezes, lifts or cancels: approve, freeze and cancel
have you log in each time, or take a token that you give. A program on your
machine that runs these commands finds no authority of yours there. --as,
--token-file and $SALLYPORT_TOKEN come before a kept log-in.`,
		Example: `  sallyport login --server https://sallyport.example.com --issuer https://login.example.com
  sallyport login`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return l.keep(cmd, &c) },
	}
	c.gatewayFlags(cmd)
	l.flags(cmd)
	return cmd
}

func (l *login) keep(cmd *cobra.Command, c *connection) error {
	server, err := c.address()
	if err != nil {
		return err
	}
	at, err := l.at(c, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if _, err := readKept(); err != nil { // before the person logs in for nothing
		return err
	}
	made, err := at.Keep(cmd.Context(), l.audience)
	if err != nil {
		return err
	}
	k, err := readKept()
	if err != nil {
		return err
	}
	k.logins[gatewayKey(server)] = made
	if err := k.write(); err != nil {
		return err
	}
	until := "until you log out or the identity provider ends it"
	if made.RefreshToken == "" && !made.Expires.IsZero() {
		until = "until " + made.Expires.UTC().Format(time.RFC3339) + ": the identity provider gave no refresh token"
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "logged in to %s, %s\nit is kept in %s; it reads and calls, and never votes\n", server, until, k.file)
	return err
}

func logoutCommand() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "Forget the log-in that is kept for a gateway",
		Long: `Forget the log-in that is kept for a gateway, and have the identity provider
revoke it where the provider takes that (RFC 7009). Your session in the browser
is the identity provider's, and stays.`,
		Example: `  sallyport logout --server https://sallyport.example.com`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, err := c.address()
			if err != nil {
				return err
			}
			k, err := readKept()
			if err != nil {
				return err
			}
			login, ok := k.logins[gatewayKey(server)]
			if !ok {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "no log-in is kept for %s\n", server)
				return err
			}
			delete(k.logins, gatewayKey(server))
			if err := k.write(); err != nil {
				return err
			}
			text := "forgot the log-in for " + server
			if revoked, err := login.Revoke(cmd.Context()); err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "the identity provider did not revoke it, and its tokens hold until they expire: %v\n", err)
			} else if revoked {
				text += ", and had it revoked"
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		},
	}
	c.gatewayFlags(cmd)
	return cmd
}

// openBrowser tries to. Where it can't, the address on the terminal is enough.
func openBrowser(ctx context.Context, url string) {
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), opener, url) //nolint:gosec // the address is ours and the provider's, and no shell reads it
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }()
	}
}
