package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/adapters/gitops"
	"github.com/sallyport/sallyport/adapters/jws"
	"github.com/sallyport/sallyport/adapters/sandbox"
	"github.com/sallyport/sallyport/adapters/temporal"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/worker"
)

// RunWorker polls for calls until ctx ends, then lets running ones finish.
func (g *Gateway) RunWorker(ctx context.Context) error {
	connection, release, err := g.temporal.Connect(temporal.RoleWorker)
	if err != nil {
		return err
	}
	defer release()
	notify, err := g.notifications()
	if err != nil {
		return err
	}
	acts, err := g.activities(connection) //nolint:contextcheck // the sandbox probes itself, within a time limit of its own
	if err != nil {
		return err
	}
	calls, err := temporal.NewClient(connection)
	if err != nil {
		return err
	}
	s := g.o.Config.Sweep
	if least := g.longestRun(); s.RunGrace < least {
		return fmt.Errorf("sweep.run_grace is %s and must be at least %s: a tool of the catalogue may run so long", s.RunGrace, least)
	}
	w, err := worker.New(worker.Options{
		Client: connection, Activities: acts, Notify: notify, Logger: g.o.Logger,
		Sweep: worker.SweepOptions{
			Ledger: g.ledger, Workflows: calls, Now: time.Now, Every: s.Every, Grace: s.Grace, RunGrace: s.RunGrace,
		},
	})
	if err != nil {
		return err
	}
	monitor, err := g.monitor(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return monitor(ctx) })
	group.Go(func() error { return g.logGuarantees(ctx, connection) })
	kill := &stopper{g.ledger, func(_ context.Context, c sallyport.Record, _ sallyport.Freeze) error {
		acts.StopRun(c.Call.ID)
		return nil
	}, g.o.Logger}
	group.Go(func() error { kill.run(ctx); return nil })
	// The runner watches pods until the running calls have finished.
	outlasting, stop := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { defer stop(); return w.Run(ctx) })
	if g.kube != nil {
		group.Go(func() error { return g.kube.Serve(outlasting) })
		group.Go(func() error { g.sweepKubernetes(ctx, g.kube); return nil })
	}
	return group.Wait()
}

// logGuarantees logs which guarantees the Temporal server gives.
func (g *Gateway) logGuarantees(ctx context.Context, connection client.Client) error {
	return temporal.LogGuarantees(ctx, g.temporal.Options, connection, g.o.Config.Temporal.PrincipalIssuer)
}

// longestRun is how long a run may take at most: it may plan again before it
// acts, and is given a minute beyond.
func (g *Gateway) longestRun() time.Duration {
	longest := time.Duration(0)
	for _, t := range g.catalogue.Tools() {
		longest = max(longest, t.Timeout)
	}
	return 3*longest + 4*time.Minute
}

func (g *Gateway) activities(connection client.Client) (*activities.Activities, error) {
	c := g.o.Config
	if c.Signing.PublicKeysFile == "" {
		return nil, errors.New("the configuration lacks signing.public_keys_file, which the worker needs")
	}
	keys, err := jws.LoadPublicKeys(c.Signing.PublicKeysFile)
	if err != nil {
		return nil, fmt.Errorf("signing.public_keys_file: %w", err)
	}
	verifier, err := jws.NewVerifier(keys...)
	if err != nil {
		return nil, err
	}
	signals, err := temporal.NewSignals(connection, g.codec)
	if err != nil {
		return nil, err
	}
	runners, reconcilers, err := g.runners()
	if err != nil {
		return nil, err
	}
	return activities.New(activities.Options{
		Evaluator: g.evaluator(), Verifier: verifier, Votes: g.ids, Directory: g.ids, Ledger: g.ledger, Runners: runners, Reconcilers: reconcilers,
		Signals: signals, PrincipalIssuer: c.Temporal.PrincipalIssuer, Meter: g.telemetry.Metrics(), Random: rand.Reader,
		HeartbeatEvery: time.Second,
	})
}

// runners are the runners that manifests may name, and the reconcilers that find
// the effect of an interrupted run.
func (g *Gateway) runners() (map[string]sallyport.Runner, map[string]sallyport.Reconciler, error) {
	runners, reconcilers := map[string]sallyport.Runner{}, map[string]sallyport.Reconciler{}
	if !g.o.Config.Sandbox.Disabled {
		r, repo, err := g.sandbox()
		if err != nil {
			return nil, nil, err
		}
		runners[tools.RunnerSandbox] = r
		if repo != nil {
			reconcilers[tools.RunnerSandbox] = repo
		}
	}
	if g.o.Config.Kubernetes != nil {
		r, err := g.kubernetes()
		if err != nil {
			return nil, nil, err
		}
		g.kube = r
		runners[tools.RunnerKube], reconcilers[tools.RunnerKube] = r, r
	}
	return runners, reconcilers, nil
}

// sandbox makes the sandbox runner, with its Git repository if there is one.
func (g *Gateway) sandbox() (*sandbox.Runner, *gitops.Repository, error) {
	c := g.o.Config
	executor := c.Sandbox.Executor
	if executor == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, nil, fmt.Errorf("the executor can't be found beside this program: %w", err)
		}
		executor = filepath.Join(filepath.Dir(self), "toolexec")
	}
	o := sandbox.Options{Executor: executor, Catalogue: g.catalogue, Logger: g.o.Logger, Environments: c.Git.Environments}
	var repo *gitops.Repository
	if c.Git.Repository != "" {
		var err error
		repo, err = gitops.New(gitops.Options{
			Path: c.Git.Repository, Branch: c.Git.Branch, CommitterName: c.Git.Name, CommitterEmail: c.Git.Email, Now: time.Now,
		})
		if err != nil {
			return nil, nil, err
		}
		o.Repository = repo
	}
	r, err := sandbox.New(o)
	return r, repo, err
}
