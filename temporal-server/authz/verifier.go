package authz

import (
	"context"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/oidc"
)

const (
	leeway       = 30 * time.Second // how far clocks may differ
	maxToken     = 16 << 10
	fetchTimeout = 5 * time.Second
)

// People is how people's tokens are verified, and their roles.
type People struct {
	JWKS     string                    // URL of the identity provider's keys
	Issuer   string                    // "iss" of its tokens
	Audience string                    // "aud" that a token for this server carries
	Role     func(subject string) Role // None for a person without a role
	Agent    func(client string) bool  // whether a client of the identity provider is an agent's
}

// Services is how tokens of services are verified that another issuer issued,
// such as Kubernetes to a service account.
type Services struct {
	JWKS     string          // URL of the issuer's keys, or a file with them
	Issuer   string          // "iss" of its tokens
	Audience string          // "aud" that a token for this server carries
	Roles    map[string]Role // Gateway or Worker, by subject
}

// Verifier turns bearer tokens into callers. Safe for concurrent use.
type Verifier struct {
	people   People
	keys     *keySet
	services *ServiceTokens
	others   *Services // nil where no other issuer issues tokens to services
	theirs   *keySet   // the keys of that issuer
	now      func() time.Time
}

// NewVerifier makes a verifier. Tokens of services are those that services
// issued, and those of others unless that is nil.
func NewVerifier(people People, services *ServiceTokens, others *Services) (*Verifier, error) {
	switch {
	case people.JWKS == "" || people.Issuer == "" || people.Audience == "":
		return nil, sallyport.Errorf(sallyport.Invalid, "no_issuer", "people's tokens need a key set, an issuer and an audience to be checked against")
	case people.Issuer == serviceIssuer:
		return nil, sallyport.Errorf(sallyport.Invalid, "issuer", "the issuer of people's tokens must not be %q", serviceIssuer)
	case people.Role == nil:
		return nil, sallyport.Errorf(sallyport.Invalid, "no_roles", "people need a function that returns their role")
	case people.Agent == nil:
		return nil, sallyport.Errorf(sallyport.Invalid, "no_agents", "people need a function that says which clients are agents'")
	case services == nil:
		return nil, sallyport.Errorf(sallyport.Invalid, "no_services", "a verifier needs the issuer of service tokens")
	}
	v := &Verifier{people: people, keys: newKeySet(people.JWKS), services: services, now: time.Now}
	if others == nil {
		return v, nil
	}
	if err := others.check(people.Issuer); err != nil {
		return nil, err
	}
	v.others, v.theirs = others, newKeySet(others.JWKS)
	return v, nil
}

// check rejects an issuer that has the name of another, and roles that no
// service has.
func (s *Services) check(people string) error {
	switch {
	case s.JWKS == "" || s.Issuer == "" || s.Audience == "":
		return sallyport.Errorf(sallyport.Invalid, "no_issuer", "services' tokens need a key set, an issuer and an audience to be checked against")
	case s.Issuer == serviceIssuer || s.Issuer == people:
		return sallyport.Errorf(sallyport.Invalid, "issuer", "the issuer of services' tokens is %q, which is the issuer of other tokens: configure another one", s.Issuer)
	}
	for subject, role := range s.Roles {
		if subject == "" || (role != Gateway && role != Worker) {
			return sallyport.Errorf(sallyport.Invalid, "no_service", "services are %q or %q, and %q can't be %q", Gateway, Worker, subject, role)
		}
	}
	return nil
}

// Caller authenticates the sender of an Authorization header. Every error is of
// kind [sallyport.Unauthenticated].
func (v *Verifier) Caller(ctx context.Context, authorization string) (*Caller, error) {
	scheme, token, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "bearer") || len(token) > maxToken {
		return nil, refuse("the Authorization header must be \"Bearer\" and a token")
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return nil, refuse("the token is no JWT signed with RS256 or ES256: %w", err)
	}
	var claimed jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&claimed); err != nil {
		return nil, refuse("the token's claims can't be read: %w", err)
	}
	switch issuer := claimed.Issuer; { // selects the key, which then verifies the token
	case issuer == serviceIssuer:
		return v.service(parsed)
	case issuer == v.people.Issuer:
		return v.person(ctx, token, parsed)
	case v.others != nil && issuer == v.others.Issuer:
		return v.other(ctx, parsed)
	default:
		return nil, refuse("the token is of an unknown issuer")
	}
}

func (v *Verifier) person(ctx context.Context, token string, parsed *jwt.JSONWebToken) (*Caller, error) {
	key, err := v.keys.key(ctx, parsed.Headers[0].KeyID)
	if err != nil {
		return nil, refuse("the token's key can't be fetched: %w", err)
	}
	subject, err := v.subject(parsed, key.Key, v.people.Issuer, v.people.Audience)
	if err != nil {
		return nil, err
	}
	if err := oidc.Personal(token, v.people.Agent); err != nil {
		return nil, refuse("the token is not its subject's own: %w", err)
	}
	return &Caller{Kind: Person, Subject: subject, Role: v.people.Role(subject)}, nil
}

func (v *Verifier) service(token *jwt.JSONWebToken) (*Caller, error) {
	subject, err := v.subject(token, v.services.public(), serviceIssuer, serviceAudience)
	if err != nil {
		return nil, err
	}
	return &Caller{Kind: Service, Subject: subject, Role: Role(subject)}, nil
}

// other is a service with a token of another issuer. Its name is its role, as
// with a token of ours.
func (v *Verifier) other(ctx context.Context, token *jwt.JSONWebToken) (*Caller, error) {
	key, err := v.theirs.key(ctx, token.Headers[0].KeyID)
	if err != nil {
		return nil, refuse("the token's key can't be fetched: %w", err)
	}
	subject, err := v.subject(token, key.Key, v.others.Issuer, v.others.Audience)
	if err != nil {
		return nil, err
	}
	role := v.others.Roles[subject]
	if role == None {
		return nil, refuse("%q is no service of the gateway", subject)
	}
	return &Caller{Kind: Service, Subject: string(role), Role: role}, nil
}

// subject verifies the signature and the claims, and returns the subject.
func (v *Verifier) subject(token *jwt.JSONWebToken, key any, issuer, audience string) (string, error) {
	var claims jwt.Claims
	if err := token.Claims(key, &claims); err != nil {
		return "", refuse("the token's signature is wrong: %w", err)
	}
	expected := jwt.Expected{Issuer: issuer, AnyAudience: jwt.Audience{audience}, Time: v.now()}
	if err := claims.ValidateWithLeeway(expected, leeway); err != nil {
		return "", refuse("the token is not valid: %w", err)
	}
	switch {
	case claims.Expiry == nil:
		return "", refuse("the token must say when it expires (exp)")
	case claims.Subject == "":
		return "", refuse("the token must name its subject (sub)")
	}
	return claims.Subject, nil
}

func refuse(format string, args ...any) error {
	return sallyport.Errorf(sallyport.Unauthenticated, "bad_token", format, args...)
}
