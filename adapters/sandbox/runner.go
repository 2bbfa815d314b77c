package sandbox

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/wire"
)

// Catalogue finds the manifests of tools.
type Catalogue interface {
	Manifest(name string) (tools.Manifest, bool)
}

// Repository provides tools with the files that an intent is about, and commits
// the patches that they return.
//
// Checkout returns the files by slash-separated path. Commit replaces the file
// at path by compare-and-swap: only if it still holds read. It returns a
// reference by which the commit can be found. An error of kind Invalid, Denied,
// NotFound, Frozen or Conflict means that nothing was written; after an error of
// any other kind the commit may have been written. Safe for concurrent use.
type Repository interface {
	Checkout(ctx context.Context, i sallyport.Intent) (map[string][]byte, error)
	Commit(ctx context.Context, p sallyport.Permit, path string, read, content []byte) (string, error)
}

// Options configure a [Runner]. Executor and Catalogue are required.
type Options struct {
	// Executor is the path of cmd/toolexec, built with CGO_ENABLED=0. It is
	// read once: replacing the file has no effect on a runner that exists.
	Executor string
	// Catalogue has the limits and permissions of each tool.
	Catalogue Catalogue
	// Repository is required by tools with permissions.git, which can't run
	// without it.
	Repository Repository
	// Environments are the namespaces that objects of an environment may name,
	// by the environment. One that is not listed has the namespace of its name.
	Environments map[string][]string
	// HTTP carries out the requests that tools ask the broker for. The runner
	// clones it, and uses no proxy and keeps no connection. The default is a
	// transport with short timeouts.
	HTTP *http.Transport
	// Cgroups are directories in which the runner makes a control group per
	// sandbox: one of cgroup v2 with the controllers memory and pids, or one
	// each of cgroup v1. No other program may use them. Without any, only
	// resource limits bound a sandbox.
	Cgroups []string
	// Logger gets the standard error of tools, at level debug. The default
	// discards it.
	Logger *slog.Logger
}

// Runner is a [sallyport.Runner].
type Runner struct {
	catalogue  Catalogue
	repository Repository
	namespaces map[string][]string
	transport  *http.Transport
	logger     *slog.Logger
	jail       *jail
	place      string
}

// New makes a runner, and starts a sandbox to test it. An error of kind Invalid
// means that the options are wrong. An error of kind Unavailable means that this
// machine cannot run a sandbox; it says what is missing and what to do.
func New(o Options) (*Runner, error) {
	if o.Executor == "" || o.Catalogue == nil {
		return nil, sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadOptions, "sandbox: Executor and Catalogue are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, sallyport.Errorf(sallyport.Internal, sallyport.CodeNoHostname, "sandbox: cannot read the host name of this machine: %w", err)
	}
	j, err := newJail(o.Executor, o.Cgroups)
	if err != nil {
		return nil, err
	}
	r := &Runner{
		catalogue:  o.Catalogue,
		repository: o.Repository,
		namespaces: o.Environments,
		transport:  brokerTransport(o.HTTP),
		logger:     o.Logger,
		jail:       j,
		place:      "sandbox/" + host,
	}
	if err := r.probe(); err != nil {
		return nil, closing(r, err)
	}
	return r, nil
}

// probe runs a call of an unknown tool, which the executor must refuse with an
// error of its own: that takes every step of a real call.
func (r *Runner) probe() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	a, err := r.execute(ctx, tools.Manifest{}, wire.Request{Mode: wire.ModePlan}, 5*time.Second)
	if err != nil {
		return err
	}
	if a.failure == nil || a.broken {
		return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeSandboxUnavailable,
			"sandbox: the executor did not refuse an unknown tool (%s); want Options.Executor to be the toolexec of this version", a.describe())
	}
	return nil
}

// Close closes the runner's files and ends its launcher. Executors that run go on.
func (r *Runner) Close() error { return r.jail.close() }

func closing(r *Runner, err error) error {
	_ = r.Close() // err is the one to act on
	return err
}

// Plan asks the tool what it would change.
func (r *Runner) Plan(ctx context.Context, i sallyport.Intent) (sallyport.Plan, error) {
	m, err := r.manifest(i)
	if err != nil {
		return sallyport.Plan{}, err
	}
	files, err := r.checkout(ctx, m, i)
	if err != nil {
		return sallyport.Plan{}, err
	}
	a, err := r.execute(ctx, m, wire.Request{
		Mode:        wire.ModePlan,
		Intent:      i,
		Files:       files,
		Namespaces:  r.namespaces[i.Namespace],
		TraceParent: sallyport.TraceParent(trace.SpanContextFromContext(ctx)),
	}, m.Limits.Timeout)
	if err != nil {
		return sallyport.Plan{}, err
	}
	return a.plan()
}

// Run runs the tool as the permit says, and commits the patch that it returns.
func (r *Runner) Run(ctx context.Context, p sallyport.Permit) (sallyport.Outcome, error) {
	if err := p.Check(); err != nil {
		return sallyport.Outcome{}, err
	}
	i := p.Intent()
	m, err := r.manifest(i)
	if err != nil {
		return sallyport.Outcome{}, err
	}
	started := time.Now().UTC()
	files, err := r.checkout(ctx, m, i)
	if err != nil {
		return sallyport.Outcome{}, err
	}
	a, err := r.execute(ctx, m, wire.Request{
		Mode:        wire.ModeRun,
		Intent:      i,
		Plan:        p.Plan(), // the tool checks its preconditions
		Files:       files,
		Namespaces:  r.namespaces[i.Namespace],
		TraceParent: cmp.Or(sallyport.TraceParent(trace.SpanContextFromContext(ctx)), p.Call().TraceParent),
	}, timeout(m, p.Decision()))
	if err != nil {
		return sallyport.Outcome{}, err
	}
	o := r.outcome(ctx, p, m, files, a)
	o.Place, o.StartedAt, o.FinishedAt = r.place, started, time.Now().UTC()
	return o, nil
}

// manifest returns the manifest that an intent was made from.
func (r *Runner) manifest(i sallyport.Intent) (tools.Manifest, error) {
	m, ok := r.catalogue.Manifest(i.Tool.Name)
	if !ok {
		return tools.Manifest{}, sallyport.Errorf(sallyport.NotFound, sallyport.CodeUnknownTool, "there is no tool %q", i.Tool.Name)
	}
	if m.Tool().Digest != i.Tool.Digest {
		return tools.Manifest{}, sallyport.Errorf(sallyport.Conflict, sallyport.CodeOtherManifest,
			"the manifest of tool %q has changed since the call was made; make the call again", i.Tool.Name)
	}
	if m.Permissions.Git != "" && r.repository == nil {
		return tools.Manifest{}, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeNoRepository,
			"tool %q needs a Git repository, and the gateway has none: configure one", i.Tool.Name)
	}
	return m, nil
}

func (r *Runner) checkout(ctx context.Context, m tools.Manifest, i sallyport.Intent) (map[string][]byte, error) {
	if m.Permissions.Git == "" {
		return nil, nil
	}
	return r.repository.Checkout(ctx, i)
}

// timeout is the shorter of the manifest's and the decision's.
func timeout(m tools.Manifest, d sallyport.Decision) time.Duration {
	if s := d.Obligations.TimeoutSeconds; s > 0 {
		return min(m.Limits.Timeout, time.Duration(s)*time.Second)
	}
	return m.Limits.Timeout
}
