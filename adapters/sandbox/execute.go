package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/sandbox/confine"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/wire"
)

// Limits that no manifest sets.
const (
	openFiles = 32
	tmpMiB    = 8
)

// Limits of the probe, which has no manifest.
const (
	probeMemoryMiB   = 64
	probeProcesses   = 16
	probeOutputBytes = 64 << 10
)

// job describes one run of the executor.
type job struct {
	spec        confine.Spec
	request     []byte
	outputBytes int
	timeout     time.Duration
	broker      func(context.Context, net.Conn) // returns when the connection ends
}

// ending is how an executor ended.
type ending struct {
	output []byte // its standard output
	stderr string // the beginning of its standard error
	code   string // of the failure, or "" when it exited with 0
	reason string
}

// Reasons to kill an executor, as context.Cause returns them.
var (
	errTimeout = errors.New("the tool exceeded its time limit")
	errOutput  = errors.New("the tool's response exceeds its size limit")
)

// execute runs the executor in a sandbox. An error means that the tool did not
// begin.
func (r *Runner) execute(ctx context.Context, m tools.Manifest, request wire.Request, limit time.Duration) (jobResult, error) {
	if err := ctx.Err(); err != nil {
		return jobResult{}, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeCancelled, "the run was stopped before it began: %w", err)
	}
	data, err := json.Marshal(request)
	if err != nil {
		return jobResult{}, sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadRequest, "cannot write the request to the tool as JSON: %w", err)
	}
	b := &broker{manifest: m, transport: r.transport}
	e, err := r.jail.run(ctx, job{
		spec:        specification(m.Limits, limit),
		request:     data,
		outputBytes: cmp.Or(m.Limits.OutputBytes, probeOutputBytes),
		timeout:     limit,
		broker:      b.serve,
	})
	if err != nil {
		return jobResult{}, err
	}
	r.logger.LogAttrs(ctx, slog.LevelDebug, "executor ended",
		slog.String("call_id", request.Intent.CallID), slog.String("tool", m.Name),
		slog.String("code", e.code), slog.String("stderr", sallyport.Visible(request.Intent.Secrets().Scrub(e.stderr))))
	if e.code != "" {
		a := failed(e.code, "%s", e.reason)
		a.stderr = e.stderr
		return a, nil
	}
	return read(e.output, request.Mode), nil
}

func specification(l tools.Limits, limit time.Duration) confine.Spec {
	return confine.Spec{
		MemoryMiB: uint64(cmp.Or(l.MemoryMiB, probeMemoryMiB)), //nolint:gosec // checked when the manifest was loaded
		Processes: uint64(cmp.Or(l.Processes, probeProcesses)), //nolint:gosec // the same
		OpenFiles: openFiles,
		TmpMiB:    tmpMiB,
		// Two threads may compute at once, and the time limit should end the tool first.
		CPUSeconds: 2*uint64(limit/time.Second) + 4, //nolint:gosec // positive
	}
}
