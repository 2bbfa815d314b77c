//go:build !race

package server

import (
	"context"
	"errors"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/server/common/authorization"

	"github.com/sallyport/sallyport/temporal-server/authz"
)

// claimMapper makes the server's claims of a verified token. They carry no role
// of the server's own: the caller is in Extensions, where only authorizer reads
// it.
type claimMapper struct {
	verifier *authz.Verifier
}

// GetClaims implements [authorization.ClaimMapper]. The server calls it only
// when there is a token, and denies the request when it fails.
func (m claimMapper) GetClaims(info *authorization.AuthInfo) (*authorization.Claims, error) {
	if info == nil {
		return nil, errors.New("there is no token")
	}
	caller, err := m.verifier.Caller(context.Background(), info.AuthToken) // the interface has no context; fetching keys has a time limit of its own
	if err != nil {
		return nil, err
	}
	return &authorization.Claims{
		Subject:    caller.Subject,
		AuthType:   string(caller.Kind),
		Extensions: caller,
	}, nil
}

// authorizer asks the policy, and names the caller as the principal that the
// server writes into events.
type authorizer struct {
	policy *authz.Policy
}

// Authorize implements [authorization.Authorizer].
func (a authorizer) Authorize(_ context.Context, claims *authorization.Claims, target *authorization.CallTarget) (authorization.Result, error) {
	if internal(claims) {
		return allow(claims), nil
	}
	caller, err := callerOf(claims)
	if err != nil {
		return authorization.Result{Decision: authorization.DecisionDeny}, err
	}
	call := authz.Call{Method: target.APIName, Namespace: target.Namespace, Request: target.Request}
	return result(claims, a.policy.Check(caller, call)), nil
}

// result is the policy's decision as the server's type.
func result(claims *authorization.Claims, denial error) authorization.Result {
	switch {
	case denial != nil:
		return authorization.Result{Decision: authorization.DecisionDeny, Reason: denial.Error()}
	case claims == nil:
		return authorization.Result{Decision: authorization.DecisionAllow}
	default:
		return allow(claims)
	}
}

// internal reports whether the server itself is calling, by its internal
// frontend. On the public one claims come from claimMapper, which always sets
// Extensions and never this type.
func internal(claims *authorization.Claims) bool {
	return claims != nil && claims.Extensions == nil &&
		claims.AuthType == authorization.InternalPrincipalType && claims.System == authorization.RoleAdmin
}

func callerOf(claims *authorization.Claims) (*authz.Caller, error) {
	if claims == nil {
		return nil, nil //nolint:nilnil // a caller without a token is not an error: some methods need none
	}
	caller, ok := claims.Extensions.(*authz.Caller)
	if !ok || caller == nil {
		return nil, errors.New("the claims are not of our claim mapper")
	}
	return caller, nil
}

func allow(claims *authorization.Claims) authorization.Result {
	return authorization.Result{
		Decision:  authorization.DecisionAllow,
		Principal: &commonpb.Principal{Type: claims.AuthType, Name: claims.Subject},
	}
}
