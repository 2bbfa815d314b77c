package opa

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/policies"
)

const (
	// defaultTimeout is a thousand times what a decision of the default
	// policy takes.
	defaultTimeout = 500 * time.Millisecond
	defaultPoll    = 10 * time.Second
)

// Options say which policy to decide by.
type Options struct {
	Dir      string        // the policy's directory; "" takes Embedded
	Embedded fs.FS         // a policy that can't change; nil is the default policy
	Logger   *slog.Logger  // required
	Timeout  time.Duration // of one evaluation; 0 is 500 ms

	// Poll is how often Watch looks at the directory without being notified.
	// It catches changes behind a network file system or a symbolic link
	// further up. 0 is 10 s.
	Poll time.Duration
}

// Engine is a policy that decides. It implements [sallyport.Decider],
// [sallyport.VoteDecider] and [sallyport.Visibility]. Safe for concurrent use.
type Engine struct {
	dir     string
	fsys    fs.FS
	log     *slog.Logger
	timeout time.Duration
	poll    time.Duration

	current atomic.Pointer[policy]

	mu    sync.Mutex // one load at a time
	fault error      // of the last load; nil while the policy is the one that was read last
}

var (
	_ sallyport.Decider     = (*Engine)(nil)
	_ sallyport.VoteDecider = (*Engine)(nil)
	_ sallyport.Visibility  = (*Engine)(nil)
)

// New loads a policy.
//
// Options that can't be give no engine. A policy that can't be loaded gives an
// error with file, line and reason, and an engine that is not ready and
// decides nothing until [Engine.Reload] or [Engine.Watch] finds a good one:
// the caller chooses between stopping and waiting.
func New(ctx context.Context, o Options) (*Engine, error) {
	switch {
	case o.Logger == nil:
		return nil, errors.New("opa: Options.Logger is required")
	case o.Dir != "" && o.Embedded != nil:
		return nil, errors.New("opa: Options.Dir and Options.Embedded are both set: a policy has one source")
	case o.Timeout < 0 || o.Poll < 0:
		return nil, errors.New("opa: Options.Timeout and Options.Poll can't be negative")
	}
	e := &Engine{
		dir: o.Dir, fsys: o.Embedded, log: o.Logger,
		timeout: cmp.Or(o.Timeout, defaultTimeout),
		poll:    cmp.Or(o.Poll, defaultPoll),
	}
	switch {
	case e.dir != "":
		e.fsys = os.DirFS(e.dir)
	case e.fsys == nil:
		e.fsys = policies.FS()
	}
	return e, e.Reload(ctx)
}

// Revision is the SHA-256 of the names and contents of the policy's files,
// tests excepted; "" while there is no policy.
func (e *Engine) Revision() string {
	if p := e.current.Load(); p != nil {
		return p.revision
	}
	return ""
}

// Ready reports why nothing can be decided, or nil.
func (e *Engine) Ready() error {
	if e.current.Load() != nil {
		return nil
	}
	return noDecision(errors.Join(errors.New("no policy is loaded"), e.Fault()))
}

// Fault is why the policy in the directory is not loaded, or nil when it is.
func (e *Engine) Fault() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.fault
}

// Reload reads the policy again. If it is bad, the last good one stays loaded,
// and the error has file, line and reason.
func (e *Engine) Reload(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	src, err := readStable(e.fsys)
	if err != nil {
		return e.refuse(ctx, "", e.inDir(err))
	}
	revision := src.revision()
	if revision == e.Revision() {
		e.fault = nil
		return nil
	}
	next, err := load(ctx, src, e.timeout)
	if err != nil {
		return e.refuse(ctx, revision, e.inDir(err))
	}
	e.current.Store(next)
	e.fault = nil
	e.log.InfoContext(ctx, "policy loaded", slog.String("revision", revision), slog.String("dir", e.dir))
	return nil
}

// inDir says of which policy an error is.
func (e *Engine) inDir(err error) error {
	if e.dir == "" {
		return fmt.Errorf("the embedded policy can't be loaded: %w", err)
	}
	return fmt.Errorf("the policy in %s can't be loaded: %w", e.dir, err)
}

// refuse keeps the last good policy and logs why, once per fault.
func (e *Engine) refuse(ctx context.Context, revision string, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if e.fault == nil || e.fault.Error() != err.Error() {
		e.log.ErrorContext(ctx, "policy refused", slog.String("dir", e.dir), slog.String("revision", revision),
			slog.String("kept_revision", e.Revision()), slog.Any("error", err))
	}
	e.fault = err
	return err
}

// noDecision is the error of an evaluation that failed. Only operators see why.
func noDecision(err error) error {
	return &sallyport.Error{
		Kind:    sallyport.Unavailable,
		Code:    sallyport.CodeNoDecision,
		Message: "policy gave no decision, so nothing was allowed; an operator finds the reason in the gateway's log",
		Err:     err,
	}
}
