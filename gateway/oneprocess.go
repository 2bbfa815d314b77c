package gateway

import (
	"context"

	"go.temporal.io/sdk/client"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/workflows"
)

// connect is a client of Temporal's for a part of the gateway, and a function
// that lets go of it. Parts of one process share theirs, for the SDK lets
// Temporal answer a start with the first task only where a worker polls with
// the very same client.
func (g *Gateway) connect(role Role) (client.Client, func(), error) {
	if !g.o.OneProcess {
		c, err := g.dial(g.credentials(role))
		if err != nil {
			return nil, nil, err
		}
		return c, c.Close, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shared == nil {
		c, err := g.dial(bothCredentials{api: g.credentials(RoleAPI), worker: g.credentials(RoleWorker)})
		if err != nil {
			return nil, nil, err
		}
		g.shared = c
	}
	return g.shared, func() {}, nil // Close does it, when both have stopped
}

// bothCredentials sends each request of a shared client with the credentials
// of the part that makes it, so that Temporal goes on refusing either what is
// the other's. Either may be nil.
type bothCredentials struct {
	api, worker Credentials
}

// fromAPI marks the contexts of the API's requests. All others are the
// worker's.
type fromAPI struct{}

// GetHeaders implements [Credentials].
func (b bothCredentials) GetHeaders(ctx context.Context) (map[string]string, error) {
	of := b.worker
	if ctx.Value(fromAPI{}) != nil {
		of = b.api
	}
	if of == nil {
		return nil, nil
	}
	return of.GetHeaders(ctx)
}

// apiCalls are the API's requests to Temporal, marked as such.
type apiCalls struct{ calls *workflows.Client }

func ofAPI(ctx context.Context) context.Context { return context.WithValue(ctx, fromAPI{}, true) }

// Start implements the API's Calls, as do the next two.
func (a apiCalls) Start(ctx context.Context, signed sallyport.SignedCall, call sallyport.Call) error {
	return a.calls.Start(ofAPI(ctx), signed, call)
}

// Vote carries a vote to its call.
func (a apiCalls) Vote(ctx context.Context, callID, attestation string) error {
	return a.calls.Vote(ofAPI(ctx), callID, attestation)
}

// Cancel asks a call to stop.
func (a apiCalls) Cancel(ctx context.Context, callID string, by sallyport.Identity) error {
	return a.calls.Cancel(ofAPI(ctx), callID, by)
}

// Ping reports whether Temporal answers.
func (a apiCalls) Ping(ctx context.Context) error { return a.calls.Ping(ofAPI(ctx)) }
