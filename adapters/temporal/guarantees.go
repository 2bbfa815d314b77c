package temporal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// Guarantees are the security properties of a Temporal server. No run depends
// on them: the worker verifies the API's signature and the evidence of votes.
// They decide which clients can hinder calls, and whether votes by signal count.
type Guarantees struct {
	Version string // of the server
	// Principals says that the server is new enough to write the authenticated
	// principal into events. It does so only if its configuration enables it.
	Principals bool
	// Authenticates says that requests without a token are denied.
	Authenticates bool
	// AllowList says that the server enforces least privilege: it denies the
	// worker a request that no worker needs, as the server of this repository
	// does.
	AllowList bool
}

// The first version whose events carry principals.
const (
	principalMajor = 1
	principalMinor = 31
)

// Inspect finds a server's guarantees by requests with our token and without
// one. It changes nothing there.
func Inspect(ctx context.Context, own, anonymous client.Client, namespace string) (g Guarantees, err error) {
	if g.Version, err = serverVersion(ctx, own); err != nil {
		return g, err
	}
	g.Principals = carriesPrincipals(g.Version)
	_, err = anonymous.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	if g.Authenticates, err = refused(err); err != nil {
		return g, fmt.Errorf("ask the Temporal server without a token: %w", err)
	}
	// This completes a task that does not exist, by id. The error shows whether
	// the server would permit it.
	_, err = own.WorkflowService().RespondActivityTaskCompletedById(ctx, &workflowservice.RespondActivityTaskCompletedByIdRequest{
		Namespace: namespace, WorkflowId: "no-such-call", ActivityId: "none", Identity: "sallyport",
	})
	if g.AllowList, err = refused(err); err != nil {
		return g, fmt.Errorf("ask the Temporal server to complete a task of another worker: %w", err)
	}
	return g, nil
}

func serverVersion(ctx context.Context, c client.Client) (string, error) {
	info, err := c.WorkflowService().GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
	if err != nil {
		return "", fmt.Errorf("ask the Temporal server for its version: %w", err)
	}
	return info.GetServerVersion(), nil
}

// carriesPrincipals is false for a version that can't be parsed.
func carriesPrincipals(version string) bool {
	var major, minor int
	if n, err := fmt.Sscanf(version, "%d.%d", &major, &minor); n != 2 || err != nil {
		return false
	}
	return major > principalMajor || major == principalMajor && minor >= principalMinor
}

// refused reports whether the server denied a request. The error is that of a
// request without a response.
func refused(err error) (bool, error) {
	if err == nil {
		return false, nil
	}
	if _, denied := errors.AsType[*serviceerror.PermissionDenied](err); denied {
		return true, nil
	}
	if _, missing := errors.AsType[*serviceerror.NotFound](err); missing {
		return false, nil
	}
	if _, invalid := errors.AsType[*serviceerror.InvalidArgument](err); invalid {
		return false, nil
	}
	return false, err
}

// log logs the guarantees, and warns of missing ones.
func (g Guarantees) log(ctx context.Context, l *slog.Logger, principalIssuer string) {
	l.InfoContext(ctx, "what the Temporal server guarantees", slog.String("server_version", g.Version),
		slog.Bool("callers_authenticated", g.Authenticates), slog.Bool("allow_list", g.AllowList),
		slog.String("votes_by_signal", g.votesBySignal(principalIssuer)))
	if !g.Authenticates {
		l.WarnContext(ctx, "the Temporal server accepts requests without a token: any client that reaches it can hinder calls and "+
			"read unencrypted fields, but can't start a run; restrict its network, or configure an authorizer")
	} else if !g.AllowList {
		l.WarnContext(ctx, "the Temporal server does not enforce least privilege: a compromised part of the gateway, or any client that may "+
			"write to the namespace, can hinder calls, but can't start a run; configure an authorizer with an allow list")
	}
}

func (g Guarantees) votesBySignal(principalIssuer string) string {
	const instead = "; people vote with sallyport approve"
	switch {
	case principalIssuer == "":
		return "refused: temporal.principal_issuer is not set" + instead
	case !g.Principals:
		return fmt.Sprintf("refused: servers before %d.%d don't say who sent a signal", principalMajor, principalMinor) + instead
	case !g.Authenticates:
		return "refused: a server that authenticates no client can't say who sent a signal" + instead
	default:
		return "counted, if the server sets frontend.enablePrincipalPropagation; refused otherwise"
	}
}

const (
	inspectEvery   = 5 * time.Second
	inspectTimeout = 10 * time.Second
)

// LogGuarantees inspects the server until that succeeds, and logs its
// guarantees.
func LogGuarantees(ctx context.Context, o Options, own client.Client, principalIssuer string) error {
	anonymous, err := Dial(o, nil)
	if err != nil {
		return err
	}
	defer anonymous.Close()
	tick := time.NewTicker(inspectEvery)
	defer tick.Stop()
	for {
		found, err := inspectOnce(ctx, own, anonymous, o.Config.Namespace)
		if err == nil {
			found.log(ctx, o.Logger, principalIssuer)
			return nil
		}
		if ctx.Err() != nil {
			return nil // we are told to stop
		}
		o.Logger.WarnContext(ctx, "what the Temporal server guarantees is not known yet", slog.Any("error", err))
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func inspectOnce(ctx context.Context, own, anonymous client.Client, namespace string) (Guarantees, error) {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	return Inspect(ctx, own, anonymous, namespace)
}
