package authz

import "context"

// Role is a caller's role at the Temporal server.
type Role string

// The roles. A caller without one may only check the server's health.
const (
	None     Role = ""
	Reader   Role = "reader"   // sees everything, changes nothing
	Approver Role = "approver" // a reader who may signal "approve"
	Operator Role = "operator" // a reader who may cancel, terminate and reset
	Gateway  Role = "gateway"  // starts tool calls, sends votes, cancels
	Worker   Role = "worker"   // polls for tasks and completes them
)

// Kind is how a caller was authenticated. It is the type of the principal that
// the server writes into history events.
type Kind string

// The kinds of caller. A person's principal is of the type that Temporal's
// own claim mapper gives; a service's never is, so that no service can pass
// for a person of the same name.
const (
	Person  Kind = "jwt"
	Service Kind = "service"
)

// Caller is the sender of a request, authenticated by a verified token.
type Caller struct {
	Kind    Kind
	Subject string
	Role    Role
}

// TokenSource yields a bearer token that is valid now.
type TokenSource func(context.Context) (string, error)

// GetHeaders makes a TokenSource the SDK's client.HeadersProvider.
func (s TokenSource) GetHeaders(ctx context.Context) (map[string]string, error) {
	token, err := s(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}
