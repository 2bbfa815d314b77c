package oidc

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/oidc/jwks"
)

func unauthenticated(code, format string, args ...any) error {
	return sallyport.Errorf(sallyport.Unauthenticated, code, format, args...)
}

// verify verifies a token, and returns its issuer and account.
func (s *snapshot) verify(ctx context.Context, token, audience string, now time.Time) (*issuer, sallyport.Account, error) {
	h, c, err := parseToken(token)
	if err != nil {
		return nil, sallyport.Account{}, unauthenticated(sallyport.CodeBadToken, "the token can't be read: %w", err)
	}
	i, ok := s.issuers[c.Issuer]
	if !ok {
		return nil, sallyport.Account{}, unauthenticated(sallyport.CodeUnknownIssuer, "the token's issuer %.200q is not in the identity table", c.Issuer)
	}
	if _, err := i.checkSignature(ctx, token, h); err != nil {
		return nil, sallyport.Account{}, err
	}
	audiences := i.audiences
	if audience != "" {
		audiences = []string{audience}
	}
	if err := i.checkClaims(c, audiences, now); err != nil {
		return nil, sallyport.Account{}, err
	}
	if err := s.checkDelegation(i, c); err != nil {
		return nil, sallyport.Account{}, unauthenticated(sallyport.CodeDelegatedToken, "the token is not its subject's own: %w", err)
	}
	return i, sallyport.Account{Issuer: i.url, Subject: c.Subject}, nil
}

// checkSignature accepts the algorithms of the table alone, and keys only for
// what they are published for. It returns the key that verified.
func (i *issuer) checkSignature(ctx context.Context, token string, h header) (jose.JSONWebKey, error) {
	if !slices.Contains(i.algorithms, jose.SignatureAlgorithm(h.Alg)) {
		return jose.JSONWebKey{}, unauthenticated(sallyport.CodeBadToken, "the token is signed with %.20q, and of %s only %v are accepted", h.Alg, i.url, i.algorithms)
	}
	keys, err := i.keys.Find(ctx, h.Kid)
	if errors.Is(err, jwks.ErrUnknown) {
		return jose.JSONWebKey{}, unauthenticated(sallyport.CodeBadToken, "the token's key %.100q is none of %s", h.Kid, i.url)
	}
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	key, err := signedBy(token, h, keys, i.algorithms)
	if err != nil {
		return jose.JSONWebKey{}, unauthenticated(sallyport.CodeBadToken, "the token can't be read: %w", err)
	}
	if key == nil {
		return jose.JSONWebKey{}, unauthenticated(sallyport.CodeBadToken, "the token's signature is not by %s", i.url)
	}
	return *key, nil
}

// signedBy finds the key that a token is signed with; nil where it is none of
// them.
func signedBy(token string, h header, keys []jose.JSONWebKey, algorithms []jose.SignatureAlgorithm) (*jose.JSONWebKey, error) {
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if key.Algorithm != "" && key.Algorithm != h.Alg {
			continue
		}
		if _, err := signed.Verify(key.Key); err == nil {
			return &key, nil
		}
	}
	return nil, nil //nolint:nilnil // no key is a result
}

// checkClaims compares a genuine token with the table and the clock.
func (i *issuer) checkClaims(c claims, audiences []string, now time.Time) error {
	if c.Subject == "" || len(c.Subject) > maxSubject {
		return unauthenticated(sallyport.CodeBadToken, "the token must name its subject (sub) in 1 to %d bytes", maxSubject)
	}
	if !slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(audiences, a) }) {
		return unauthenticated(sallyport.CodeOtherAudience, "the token is for %.200q and not for %q: ask %s for one with this audience", []string(c.Audience), audiences, i.url)
	}
	expires, ok := numericDate(c.Expires)
	if !ok {
		return unauthenticated(sallyport.CodeBadToken, "the token must say when it expires (exp)")
	}
	issued, ok := numericDate(c.Issued)
	if !ok {
		return unauthenticated(sallyport.CodeBadToken, "the token must say when it was issued (iat)")
	}
	var begins time.Time // none given, none to wait for
	if c.Begins != nil {
		if begins, ok = numericDate(c.Begins); !ok {
			return unauthenticated(sallyport.CodeBadToken, "the token's nbf is no date")
		}
	}
	return i.checkTimes(expires, issued, begins, now)
}

func (i *issuer) checkTimes(expires, issued, begins, now time.Time) error {
	switch {
	case !now.Before(expires.Add(Leeway)):
		return unauthenticated(sallyport.CodeExpiredToken, "the token expired at %s: get a new one", expires.UTC().Format(time.RFC3339))
	case now.Add(Leeway).Before(issued):
		return unauthenticated(sallyport.CodeBadToken, "the token was issued (iat) in the future, at %s by our clock %s: one of the clocks is wrong",
			issued.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case now.Add(Leeway).Before(begins):
		return unauthenticated(sallyport.CodeBadToken, "the token is not valid before %s (nbf)", begins.UTC().Format(time.RFC3339))
	case now.Sub(issued) >= i.maxAge+Leeway:
		return unauthenticated(sallyport.CodeExpiredToken, "the token was issued at %s and may be %s old: get a new one", issued.UTC().Format(time.RFC3339), i.maxAge)
	case !issued.Before(expires):
		return unauthenticated(sallyport.CodeBadToken, "the token expires before it was issued")
	}
	return nil
}
