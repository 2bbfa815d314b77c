package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sallyport/sallyport/client"
)

// apiAudience is the audience of tokens for the API.
const apiAudience = "sallyport"

// connection says which gateway to speak to, and as whom.
type connection struct {
	server    string
	tokenFile string
	as        string
	dev       string
	plainHTTP string // the host that gets tokens without TLS
}

func (c *connection) flags(cmd *cobra.Command) {
	c.gatewayFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&c.tokenFile, "token-file", os.Getenv("SALLYPORT_TOKEN_FILE"), "`file` with a bearer token ($SALLYPORT_TOKEN_FILE, or the token itself in $SALLYPORT_TOKEN)")
	f.StringVar(&c.as, "as", "", "development only: one of its identities, such as deploy-bot or bob")
}

// gatewayFlags say which gateway.
func (c *connection) gatewayFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.server, "server", os.Getenv("SALLYPORT_SERVER"), "the gateway's `URL` ($SALLYPORT_SERVER; else the development instance)")
	plainHTTPFlag(f, &c.plainHTTP)
	c.devFlag(cmd)
}

func plainHTTPFlag(f *pflag.FlagSet, host *string) {
	f.StringVar(host, "plain-http", "", "`host` to which tokens may go without TLS, beside loopback addresses")
}

func (c *connection) devFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.dev, "dev-dir", ".sallyport", "`directory` of the development instance")
}

// client connects as the flags say.
func (c *connection) client(ctx context.Context) (*client.Client, error) {
	server, err := c.address()
	if err != nil {
		return nil, err
	}
	token, err := c.token(ctx)
	if err != nil {
		return nil, err
	}
	return client.New(server, token, c.plainHTTP)
}

// address is the gateway's.
func (c *connection) address() (string, error) {
	if c.server != "" {
		return c.server, client.MaySend(c.server, c.plainHTTP) // before a log-in
	}
	instance, err := c.instance()
	return instance.API, err
}

// sameFlags are those with which another command speaks to the same gateway as the
// same identity.
func (c *connection) sameFlags() string {
	var b strings.Builder
	for _, f := range []struct{ name, value string }{
		{"server", c.server}, {"plain-http", c.plainHTTP}, {"as", c.as}, {"token-file", c.tokenFile},
	} {
		if f.value != "" {
			fmt.Fprintf(&b, " --%s %s", f.name, shellWord(f.value))
		}
	}
	return b.String()
}

// shellWord quotes a word that a shell would take apart.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@%+") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// anonymous reports whether no flag says as whom.
func (c *connection) anonymous() bool {
	return c.as == "" && c.tokenFile == "" && os.Getenv("SALLYPORT_TOKEN") == ""
}

func (c *connection) instance() (client.Instance, error) {
	i, err := client.ReadInstance(c.dev)
	if errors.Is(err, os.ErrNotExist) {
		return i, fmt.Errorf("there is no development instance in %s: start one with `make dev`, or name a gateway with --server", c.dev)
	}
	return i, err
}

func (c *connection) token(ctx context.Context) (string, error) {
	switch {
	case c.as != "":
		i, err := c.instance()
		if err != nil {
			return "", err
		}
		return i.IdentityToken(ctx, c.as, apiAudience)
	case c.tokenFile != "":
		b, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return "", fmt.Errorf("the token can't be read: %w", err)
		}
		return strings.TrimSpace(string(b)), nil
	case os.Getenv("SALLYPORT_TOKEN") != "":
		return os.Getenv("SALLYPORT_TOKEN"), nil
	default:
		return c.keptToken(ctx)
	}
}

func tokenCommand() *cobra.Command {
	var c connection
	var audience string
	cmd := &cobra.Command{
		Use:   "token --as NAME",
		Short: "Print a token of a development identity",
		Long: `Print a bearer token of one of the development instance's identities: the
agents deploy-bot and triage-bot, the people alice, bob, carol, dave, olga and
audra. It works only where you can read the instance's directory.`,
		Example: `  curl -H "Authorization: Bearer $(sallyport token --as bob)" http://127.0.0.1:8080/v1/ballots`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			i, err := c.instance()
			if err != nil {
				return err
			}
			token, err := i.IdentityToken(cmd.Context(), c.as, audience)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	cmd.Flags().StringVar(&c.as, "as", "", "`name` of the identity")
	cmd.Flags().StringVar(&audience, "audience", apiAudience, "audience of the token")
	c.devFlag(cmd)
	if err := cmd.MarkFlagRequired("as"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}
