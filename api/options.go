package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/sallyport/sallyport"
)

// Options are what a [Server] needs. All are required unless they say otherwise,
// and all must be safe for concurrent use.
type Options struct {
	Identifier sallyport.Identifier
	Signer     Signer
	Recorder   sallyport.Recorder
	Reader     sallyport.Reader
	Freezes    sallyport.Freezes
	Scopes     Scopes
	Log        Log
	Calls      Calls
	Catalogue  Catalogue
	Preview    Previewer

	// Redactions are the JSON Pointers to those of a tool's arguments that are
	// stored nowhere; of the tool "" those of all tools, which hold for a name of
	// which the agent sees no tool. Nil redacts none.
	Redactions func(tool string) []string

	// Tool finds a tool of the catalogue, whichever agents may see it. A name that it
	// has not is the agent's own text, which the log does not show. Nil is a
	// catalogue without tools.
	Tool func(name string) (sallyport.Tool, bool)

	// JoinWrites is for how long after its end a write by MCP without a key is the
	// same call when it is sent again. 0 joins none.
	JoinWrites time.Duration

	Ready   []Check      // what must hold for the server to be ready; may be empty
	Metrics http.Handler // serves /metrics
	Logger  *slog.Logger
	Now     func() time.Time
	Random  io.Reader // call and request ids; must be unpredictable

	OperatorGroups []string // they see all calls and may cancel them; may be empty
	AuditorGroups  []string // they see all calls; may be empty
	Tiles          TileReaders

	// ApproveURL is where a person approves a call, or "". Optional.
	ApproveURL func(sallyport.Record) string

	// ExternalURL is the address of the API for clients, without a path. Optional:
	// without it clients learn of no issuer by themselves.
	ExternalURL  *url.URL
	AgentIssuers func() []string // of agents' tokens; optional without ExternalURL
	Version      string          // of the program, for clients; may be empty

	// Wrap wraps the server's handler, for tracing and for other paths. Optional.
	Wrap func(http.Handler) http.Handler

	RateLimit RateLimit     // of calls and dry runs; and of votes, freezes and cancels
	ReadLimit RateLimit     // of reads, of which lists and proofs are several
	MaxWait   time.Duration // longest Prefer: wait, 1s to 10m; 0 means 60s
	Timeouts  Timeouts      // optional
}

// RateLimit bounds the requests of one identity.
type RateLimit struct {
	PerSecond rate.Limit
	Burst     int
}

// Timeouts bound what a slow or absent client can hold. Zero fields take the
// defaults. The time limit of a response follows from [Options.MaxWait].
type Timeouts struct {
	ReadHeader time.Duration // 5s
	Read       time.Duration // header and body: 15s
	Handover   time.Duration // to take a call, whether or not its client is still there: 15s
	Idle       time.Duration // between requests of a connection: 2m
	Drain      time.Duration // from the end of Serve's context to the last response: 20s
}

// Signer signs calls and attestations of votes for the worker.
type Signer interface {
	SignCall(sallyport.Call) (sallyport.SignedCall, error)
	SignAttestation(sallyport.Attestation) (string, error)
}

// Calls works on calls that the ledger has received.
//
// Start hands a call over; a call that was handed over before is no error. After
// an error the call may or may not have been handed over. Vote returns nil when the
// vote counted, and an error with a vote's code ([sallyport.CodeGroups] has them)
// when it did not. Cancel stops a call in any state; it returns an error of kind
// [sallyport.Conflict] for a call that has ended and [sallyport.NotFound] for one
// that was never handed over. After any other error the call may or may not stop.
type Calls interface {
	// Start gets a call without its tool's name where the catalogue has none such.
	Start(ctx context.Context, signed sallyport.SignedCall, call sallyport.Call) error
	Vote(ctx context.Context, callID, attestation string) error
	Cancel(ctx context.Context, callID string, by sallyport.Identity) error
}

// Log proves the ledger's content to readers who don't trust it.
//
// Prove proves a call's leaves in JSON, with or without the contents that they
// commit to. It returns an error of kind [sallyport.Unavailable] while no
// checkpoint covers them. Tile returns the "checkpoint", or a tile by its path as
// C2SP tlog-tiles spells it, and an error of kind [sallyport.NotFound] if there is
// none.
type Log interface {
	Prove(ctx context.Context, callID string, contents bool) ([]byte, error)
	Tile(ctx context.Context, path string) ([]byte, error)
}

// TileReaders say which callers may read the whole log: its leaves, without the
// contents that they commit to.
type TileReaders string

// The readers of tiles.
const (
	TilesNobody   TileReaders = "nobody" // as ""
	TilesAuditors TileReaders = "auditors"
	TilesAnyone   TileReaders = "anyone"
)

// Catalogue says which tools an agent may see.
type Catalogue interface {
	Visible(context.Context, sallyport.Agent) ([]sallyport.Tool, error)

	// Sees finds one of them by its name. It asks policy about any name, so that
	// neither its time nor its error tells a hidden tool from none.
	Sees(ctx context.Context, agent sallyport.Agent, name string) (tool sallyport.Tool, ok bool, err error)
}

// Previewer evaluates a call without recording it.
//
// An unknown or invisible tool is an error of code "unknown_tool", arguments
// that don't fit its schema one of code "invalid_arguments" with fields.
type Previewer interface {
	Preview(context.Context, sallyport.Call, sallyport.Agent) (sallyport.Intent, sallyport.Decision, error)
}

// Check is one thing that must hold for the server to be ready.
type Check struct {
	Name  string
	Check func(context.Context) error
}

// The longest Prefer: wait, and the wait of a submission that states none.
const (
	maxWait     = time.Minute
	defaultWait = 10 * time.Second
)

func (o Options) withDefaults() Options {
	orElse := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	orElse(&o.MaxWait, maxWait)
	orElse(&o.Timeouts.ReadHeader, 5*time.Second)
	orElse(&o.Timeouts.Read, 15*time.Second)
	orElse(&o.Timeouts.Handover, 15*time.Second)
	orElse(&o.Timeouts.Idle, 2*time.Minute)
	orElse(&o.Timeouts.Drain, 20*time.Second)
	return o
}

func (o Options) check() error {
	var missing []string
	for name, absent := range map[string]bool{
		"Identifier": o.Identifier == nil,
		"Signer":     o.Signer == nil,
		"Recorder":   o.Recorder == nil,
		"Reader":     o.Reader == nil,
		"Freezes":    o.Freezes == nil,
		"Scopes":     o.Scopes == nil,
		"Log":        o.Log == nil,
		"Calls":      o.Calls == nil,
		"Catalogue":  o.Catalogue == nil,
		"Preview":    o.Preview == nil,
		"Metrics":    o.Metrics == nil,
		"Logger":     o.Logger == nil,
		"Now":        o.Now == nil,
		"Random":     o.Random == nil,

		"AgentIssuers": o.AgentIssuers == nil && o.ExternalURL != nil,

		"RateLimit": o.RateLimit.PerSecond <= 0 || o.RateLimit.Burst <= 0,
		"ReadLimit": o.ReadLimit.PerSecond <= 0 || o.ReadLimit.Burst <= 0,
	} {
		if absent {
			missing = append(missing, name)
		}
	}
	for _, c := range o.Ready {
		if c.Name == "" || c.Check == nil {
			missing = append(missing, "Ready[].Name and .Check")
		}
	}
	if len(missing) > 0 {
		return sallyport.Errorf(sallyport.Internal, sallyport.CodeBadOptions, "api: Options lack %s", strings.Join(missing, ", "))
	}
	if o.MaxWait < time.Second || o.MaxWait > 10*time.Minute {
		return sallyport.Errorf(sallyport.Internal, sallyport.CodeBadOptions, "api: MaxWait is %s and must be from 1s to 10m", o.MaxWait)
	}
	return nil
}
