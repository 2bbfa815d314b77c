package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"

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
