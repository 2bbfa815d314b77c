package temporal

import (
	"context"
	"sync"

	"go.temporal.io/sdk/client"

	"github.com/sallyport/sallyport"
)

// Connections are the clients of one Temporal server that the parts of a
// process use.
type Connections struct {
	Options

	// Credentials by role. Nil sends the token of the configuration for every
	// role.
	Credentials func(Role) Credentials
	// OneProcess says that the API and the worker run in this process. They
	// share a client then, for the SDK lets Temporal answer a start with the
	// first task only where a worker polls with the very same client.
	OneProcess bool

	mu     sync.Mutex
	shared client.Client
}

// Connect returns the client of a part of the gateway, and a function that
// closes it.
func (c *Connections) Connect(role Role) (client.Client, func(), error) {
	if !c.OneProcess {
		own, err := Dial(c.Options, c.credentials(role))
		if err != nil {
			return nil, nil, err
		}
		return own, own.Close, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shared == nil {
		both, err := Dial(c.Options, bothCredentials{api: c.credentials(RoleAPI), worker: c.credentials(RoleWorker)})
		if err != nil {
			return nil, nil, err
		}
		c.shared = both
	}
	return c.shared, func() {}, nil // Close does it, when both have stopped
}

// credentials are what a part of the gateway sends; nil where it sends none.
func (c *Connections) credentials(role Role) Credentials {
	if c.Credentials != nil {
		return c.Credentials(role)
	}
	return c.Config.credentials()
}

// Close closes the client that the parts share. They must have stopped.
func (c *Connections) Close() {
	if c.shared != nil {
		c.shared.Close()
	}
}

// bothCredentials sends each request of a shared client with the credentials
// of the part that makes it, so that Temporal still denies each part the
// other's requests. Either may be nil.
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

// APIClient makes the API's requests to Temporal, marked as such.
type APIClient struct{ calls *Client }

// ForAPI returns the client as the API uses it.
func (c *Client) ForAPI() APIClient { return APIClient{c} }

func ofAPI(ctx context.Context) context.Context { return context.WithValue(ctx, fromAPI{}, true) }

// Start implements the API's Calls, as do the next two.
func (a APIClient) Start(ctx context.Context, signed sallyport.SignedCall, call sallyport.Call) error {
	return a.calls.Start(ofAPI(ctx), signed, call)
}

// Vote carries a vote to its call.
func (a APIClient) Vote(ctx context.Context, callID, attestation string) error {
	return a.calls.Vote(ofAPI(ctx), callID, attestation)
}

// Cancel asks a call to stop.
func (a APIClient) Cancel(ctx context.Context, callID string, by sallyport.Identity) error {
	return a.calls.Cancel(ofAPI(ctx), callID, by)
}

// Ping reports whether Temporal answers.
func (a APIClient) Ping(ctx context.Context) error { return a.calls.Ping(ofAPI(ctx)) }
