// Command idp is the identity provider of development mode as a program of its
// own, for clusters that were made for tests.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/dev/idp"
	"github.com/sallyport/sallyport/strict"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "idp:", err)
		os.Exit(1)
	}
}

// flags are what the program is told.
type flags struct {
	listen, issuer, cert, key, dir, secrets, ui string
}

// instance is the name of the secret with which POST /dev/token gives a token
// of any person or agent.
const instance = "instance"

func command() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "idp",
		Short: "An identity provider for tests, without passwords",
		Long: `Run the identity provider of development mode by itself, over https: the demo's
agents and people, for a network that was made for tests.

The log-in page asks for no password: every client that reaches it can choose
any person. The secrets are a JSON object by name: those of the agents and of the
client temporal-ui, and as "` + instance + `" the one with which POST /dev/token gives
a token of any person or agent.`,
		Example: `  idp --issuer https://idp.example.com:8090 --cert idp.pem --key idp.key \
    --secrets secrets.json --temporal-ui https://temporal.example.com`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), f, cmd.OutOrStdout(), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
		},
	}
	set := cmd.Flags()
	set.StringVar(&f.listen, "listen", ":8090", "`address` to listen on")
	set.StringVar(&f.issuer, "issuer", "", "base `URL`, as everybody reaches it")
	set.StringVar(&f.cert, "cert", "", "`file` with the certificate")
	set.StringVar(&f.key, "key", "", "`file` with its key")
	set.StringVar(&f.dir, "dir", "idp", "`directory` that keys are kept in")
	set.StringVar(&f.secrets, "secrets", "", "`file` with the secrets, for its owner alone")
	set.StringVar(&f.ui, "temporal-ui", "", "`URL` of the Temporal UI, through which people log in")
	cmd.AddCommand(tableCommand())
	for _, required := range []string{"issuer", "cert", "key", "secrets", "temporal-ui"} {
		if err := cmd.MarkFlagRequired(required); err != nil {
			panic(err) // the flags are defined above
		}
	}
	return cmd
}

// tableCommand prints what the gateway needs to know of the provider.
func tableCommand() *cobra.Command {
	return &cobra.Command{
		Use: "table ISSUER", Short: "Print the gateway's identity table for a provider with this base URL", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := cmd.OutOrStdout().Write(idp.Table(args[0]))
			return err
		},
	}
}

// serve answers until ctx ends. It writes a line once it does.
func serve(ctx context.Context, f flags, out io.Writer, logger *slog.Logger) error {
	provider, err := provider(f, logger)
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("the certificate: %w", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: provider, ReadHeaderTimeout: 5 * time.Second,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}},
	}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // tests wait for no request when they end it
	if _, err := fmt.Fprintf(out, "issuers %s %s\nready\n", provider.AgentIssuer(), provider.PeopleIssuer()); err != nil {
		return errors.Join(err, l.Close())
	}
	if err := server.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func provider(f flags, logger *slog.Logger) (*idp.Provider, error) {
	secrets, err := readSecrets(f.secrets)
	if err != nil {
		return nil, fmt.Errorf("--secrets: %w", err)
	}
	people, agents := idp.Demo()
	for i := range agents {
		agents[i].Secret = secrets[agents[i].ID]
	}
	return idp.New(idp.Options{
		Issuer: f.issuer, Named: true, Dir: f.dir, Now: time.Now, People: people, Agents: agents,
		InstanceToken: secrets[instance], Logger: logger,
		Clients: []idp.Client{idp.TemporalUI(f.ui, secrets[idp.UIClient]), idp.Voting()},
	})
}

func readSecrets(path string) (map[string]string, error) {
	text, err := strict.Private(path)
	if err != nil {
		return nil, err
	}
	secrets := map[string]string{}
	if err := strict.Decode(text, &secrets); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return secrets, nil
}
