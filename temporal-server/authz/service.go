package authz

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sallyport/sallyport"
)

const (
	serviceIssuer   = "urn:sallyport:services"
	serviceAudience = "urn:sallyport:temporal"
	serviceLifetime = time.Hour
	serviceRenewal  = serviceLifetime / 2 // a token handed out is valid for at least so long
)

// ServiceTokens issues tokens to the gateway's own services. Its key lives in
// memory and is new with every process: nothing on disk can be stolen, and no
// token outlives the server it is for. Safe for concurrent use.
type ServiceTokens struct {
	key    *ecdsa.PrivateKey
	signer jose.Signer

	mu     sync.Mutex
	issued map[Role]issuedToken
}

type issuedToken struct {
	token string
	at    time.Time
}

// NewServiceTokens draws a key.
func NewServiceTokens() (*ServiceTokens, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("draw the key of service tokens: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("make the signer of service tokens: %w", err)
	}
	return &ServiceTokens{key: key, signer: signer, issued: map[Role]issuedToken{}}, nil
}

// Token issues a token to the gateway or a worker. It is refused for other
// roles, which are people's.
func (s *ServiceTokens) Token(role Role) (string, error) {
	if role != Gateway && role != Worker {
		return "", sallyport.Errorf(sallyport.Invalid, "no_service", "there are service tokens for roles %q and %q, not for %q", Gateway, Worker, role)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if t, ok := s.issued[role]; ok && now.Sub(t.at) < serviceRenewal {
		return t.token, nil
	}
	token, err := jwt.Signed(s.signer).Claims(jwt.Claims{
		Issuer:   serviceIssuer,
		Audience: jwt.Audience{serviceAudience},
		Subject:  string(role),
		IssuedAt: jwt.NewNumericDate(now),
		Expiry:   jwt.NewNumericDate(now.Add(serviceLifetime)),
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign a service token: %w", err)
	}
	s.issued[role] = issuedToken{token: token, at: now}
	return token, nil
}

// Source yields tokens of a role, renewed in time.
func (s *ServiceTokens) Source(role Role) TokenSource {
	return func(context.Context) (string, error) { return s.Token(role) }
}

func (s *ServiceTokens) public() crypto.PublicKey { return s.key.Public() }
