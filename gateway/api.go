package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/jws"
	"github.com/sallyport/sallyport/adapters/oidc"
	"github.com/sallyport/sallyport/adapters/temporal"
	"github.com/sallyport/sallyport/api"
	"github.com/sallyport/sallyport/workflows/wire"
)

// CodecPath is the path at which the Temporal UI has payloads decoded and encoded.
const CodecPath = "/codec"

// ServeAPI serves requests on l until ctx ends. It closes l, also when it can't
// begin.
func (g *Gateway) ServeAPI(ctx context.Context, l net.Listener) error {
	connection, release, err := g.temporal.Connect(temporal.RoleAPI)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer release()
	client, err := temporal.NewClient(connection)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	calls := client.ForAPI()
	server, err := g.server(calls) //nolint:contextcheck // requests bring their own contexts
	if err != nil {
		return errors.Join(err, l.Close())
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Serve(ctx, l) })
	stop := &stopper{g.ledger, g.cancelFrozen(calls), g.o.Logger}
	group.Go(func() error { stop.run(ctx); return nil })
	if !g.o.OneProcess { // else the worker does
		group.Go(func() error { return g.logGuarantees(ctx, connection) })
	}
	return group.Wait()
}

func (g *Gateway) server(calls temporal.APIClient) (*api.Server, error) {
	c := g.o.Config
	if c.Signing.PrivateKeyFile == "" {
		return nil, errors.New("the configuration lacks signing.private_key_file, which the API needs")
	}
	key, err := jws.LoadPrivateKey(c.Signing.PrivateKeyFile)
	if err != nil {
		return nil, fmt.Errorf("signing.private_key_file: %w", err)
	}
	signer, err := jws.NewSigner(key)
	if err != nil {
		return nil, err
	}
	evaluator := g.evaluator()
	var external *url.URL
	if c.API.ExternalURL != "" {
		if external, err = url.Parse(c.API.ExternalURL); err != nil {
			return nil, fmt.Errorf("api.external_url: %w", err)
		}
	}
	return api.New(api.Options{
		Identifier: g.ids, Signer: signer, Recorder: g.ledger, Reader: g.ledger, Freezes: g.ledger, Scopes: scopes{g}, Log: g.ledger, Calls: calls, Catalogue: evaluator, Preview: evaluator,
		Redactions: g.redactions,
		Tool:       g.catalogue.Tool, JoinWrites: c.API.JoinWrites,
		Ready: []api.Check{
			{Name: "policy", Check: func(context.Context) error { return g.policy.Ready() }},
			{Name: "ledger", Check: g.ledger.Ping},
			{Name: "temporal", Check: calls.Ping},
		},
		Metrics: g.telemetry.MetricsHandler(), Logger: g.o.Logger, Now: time.Now, Random: rand.Reader,
		OperatorGroups: c.API.OperatorGroups, AuditorGroups: c.API.AuditorGroups, Tiles: api.TileReaders(c.Ledger.Tiles),
		ApproveURL: approveURL(c.Temporal), ExternalURL: external, Version: g.o.Version,
		AgentIssuers: func() []string { return g.ids.Issuers(oidc.KindAgent) },
		RateLimit:    api.RateLimit{PerSecond: c.API.CallsPerSecond, Burst: c.API.CallsBurst}, MaxWait: c.API.MaxWait,
		ReadLimit: api.RateLimit{PerSecond: c.API.ReadsPerSecond, Burst: c.API.ReadsBurst},
		Wrap:      func(h http.Handler) http.Handler { return g.telemetry.HTTP(g.withCodec(h)) },
	})
}

// redactions are the pointers to those of a tool's arguments that are stored
// nowhere; of "" those of all tools.
func (g *Gateway) redactions(tool string) []string {
	if tool != "" {
		t, _ := g.catalogue.Tool(tool)
		return t.Redact.Arguments
	}
	var all []string
	for _, t := range g.catalogue.Tools() {
		all = append(all, t.Redact.Arguments...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// approveURL links to the page of the Temporal UI that shows what an approver
// must see.
func approveURL(c TemporalConfig) func(sallyport.Record) string {
	if c.UI == "" {
		return nil
	}
	return func(r sallyport.Record) string {
		if r.Ballot == nil {
			return ""
		}
		return ballotURL(c, r.Call.ID, r.Ballot.RunID)
	}
}

func ballotURL(c TemporalConfig, callID, runID string) string {
	return fmt.Sprintf("%s/namespaces/%s/workflows/%s/%s/user-metadata", strings.TrimSuffix(c.UI, "/"),
		url.PathEscape(c.Namespace), url.PathEscape(wire.WorkflowID(callID)), url.PathEscape(runID))
}

// withCodec adds the endpoint that decodes payloads for the Temporal UI, and
// encodes those of its signals, for people alone and from the UI's pages alone.
func (g *Gateway) withCodec(next http.Handler) http.Handler {
	ui := strings.TrimSuffix(g.o.Config.Temporal.UI, "/")
	guard := g.o.CodecGuard
	if guard == nil && g.o.Config.Temporal.UIAudience != "" {
		guard = g.hasUIToken
	}
	if ui == "" || guard == nil {
		return next
	}
	codec := http.StripPrefix(CodecPath, temporal.CodecHandler(g.codec))
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("OPTIONS "+CodecPath+"/{verb}", func(w http.ResponseWriter, r *http.Request) {
		allowOrigin(w, r, ui)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST "+CodecPath+"/{verb}", func(w http.ResponseWriter, r *http.Request) {
		allowOrigin(w, r, ui)
		if err := guard(r); err != nil {
			http.Error(w, "log in to the Temporal UI as a person of the identity table", http.StatusUnauthorized)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxCodecBody)
		codec.ServeHTTP(w, r)
	})
	return mux
}

// hasUIToken requires a person's access token for the Temporal UI.
func (g *Gateway) hasUIToken(r *http.Request) error {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	who, err := g.ids.ForAudience(g.o.Config.Temporal.UIAudience).Identify(r.Context(), token)
	if err == nil && who.Person == nil {
		err = sallyport.Errorf(sallyport.Denied, sallyport.CodeNotAPerson, "the token is not a person's")
	}
	return err
}

const maxCodecBody = 8 << 20

func allowOrigin(w http.ResponseWriter, r *http.Request, ui string) {
	if r.Header.Get("Origin") != ui {
		return
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", ui)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Allow-Methods", http.MethodPost)
	h.Set("Access-Control-Allow-Headers", "authorization, content-type, x-namespace")
	h.Add("Vary", "Origin")
}

// deniedSoon is how long cancelFrozen leaves a call alone that came after the
// freeze: its own workflow denies it, and its agent gets that reason.
const deniedSoon = 5 * time.Second

// cancelFrozen records that a freeze stops a call, and cancels its workflow.
// A call that was never handed over has none, and can't start any more.
func (g *Gateway) cancelFrozen(calls interface {
	Cancel(ctx context.Context, callID string, by sallyport.Identity) error
},
) func(context.Context, sallyport.Record, sallyport.Freeze) error {
	return func(ctx context.Context, c sallyport.Record, f sallyport.Freeze) error {
		id := c.Call.ID
		if c.Call.ReceivedAt.After(f.At) && time.Since(c.Call.ReceivedAt) < deniedSoon {
			return nil
		}
		r, err := g.ledger.Record(ctx, sallyport.Entry{
			CallID: id, Kind: sallyport.EntryStop, Key: "freeze/" + f.ID, At: time.Now().Round(0).UTC(),
			Stop: &sallyport.Stop{By: f.By, Freeze: f.ID, Reason: f.Reason},
		})
		if sallyport.KindOf(err) == sallyport.Conflict { // it has just ended
			return nil
		}
		if err != nil {
			return err
		}
		if !r.Repeated {
			g.o.Logger.WarnContext(ctx, "a freeze stops a call", slog.String("call_id", id), slog.String("freeze", f.ID))
		}
		if err := calls.Cancel(ctx, id, sallyport.Identity{}); sallyport.KindOf(err) == sallyport.Unavailable {
			return err
		}
		return nil
	}
}
