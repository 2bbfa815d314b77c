package oidc

import (
	"context"
	"crypto"
	_ "crypto/sha256" // of thumbprints
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport"
)

// A vote can be an ID token: the provider asks the person to log in for it,
// and signs the nonce that names verdict and ballot. A thief of the token can
// only cast the vote that it states.

var _ sallyport.VoteVerifier = (*Identities)(nil)

// VerifyVote implements [sallyport.VoteVerifier].
func (i *Identities) VerifyVote(ctx context.Context, token string) (sallyport.SignedVote, error) {
	return i.snapshot.Load().verifyVote(ctx, token, i.opts.Now())
}

func noVote(format string, args ...any) error {
	return sallyport.Errorf(sallyport.Denied, sallyport.CodeBadEvidence, format, args...)
}

func (s *snapshot) verifyVote(ctx context.Context, token string, now time.Time) (sallyport.SignedVote, error) {
	h, c, err := parseToken(token)
	if err != nil {
		return sallyport.SignedVote{}, noVote("the ID token can't be read: %w", err)
	}
	i, ok := s.issuers[c.Issuer]
	switch {
	case !ok:
		return sallyport.SignedVote{}, noVote("the ID token's issuer %.200q is not in the identity table", c.Issuer)
	case i.kind != KindPerson:
		return sallyport.SignedVote{}, noVote("issuer %s vouches for agents, and they don't vote", i.url)
	case i.votes == "":
		return sallyport.SignedVote{}, noVote("the identity table has no vote_audience for issuer %s, so its ID tokens don't vote", i.url)
	}
	key, err := i.checkSignature(ctx, token, h)
	switch {
	case sallyport.KindOf(err) == sallyport.Unavailable:
		return sallyport.SignedVote{}, err
	case err != nil:
		return sallyport.SignedVote{}, noVote("of the ID token: %s", sallyport.AsError(err).Message)
	}
	v, err := readVote(h, c, i.votes)
	if err != nil {
		return sallyport.SignedVote{}, err
	}
	if err := c.personal(s.agentClient); err != nil {
		return sallyport.SignedVote{}, noVote("the ID token is not its subject's own: %w", err)
	}
	if begins, ok := numericDate(c.Begins); c.Begins != nil && (!ok || now.Add(Leeway).Before(begins)) {
		return sallyport.SignedVote{}, noVote("the ID token is not valid yet (nbf)")
	}
	if now.Add(Leeway).Before(v.IssuedAt) {
		return sallyport.SignedVote{}, noVote("the ID token was issued (iat) in the future: one of the clocks is wrong")
	}
	v.Key, err = json.Marshal(key.Public())
	return v, err
}

// readVote reads what a genuine ID token says, whenever that is.
func readVote(h header, c claims, audience string) (sallyport.SignedVote, error) {
	nonce, _ := c.Nonce.(string)
	verdict, ballot, _ := strings.Cut(nonce, ":")
	v := sallyport.SignedVote{
		Account: sallyport.Account{Issuer: c.Issuer, Subject: c.Subject},
		Verdict: sallyport.Verdict(verdict), Ballot: sallyport.Digest(ballot),
	}
	var issued, expires, loggedIn bool
	v.IssuedAt, issued = numericDate(c.Issued)
	v.ExpiresAt, expires = numericDate(c.Expires)
	if at, ok := c.LoggedIn.(float64); ok {
		v.LoggedInAt, loggedIn = numericDate(&at)
	}
	v.IssuedAt, v.ExpiresAt, v.LoggedInAt = v.IssuedAt.UTC(), v.ExpiresAt.UTC(), v.LoggedInAt.UTC()
	switch {
	case strings.HasSuffix(strings.ToLower(h.Typ), "at+jwt"):
		return v, noVote("it is an access token, and a vote is an ID token")
	case !slices.Equal(c.Audience, []string{audience}):
		return v, noVote("the ID token is for %.200q and a vote's is for %q alone", []string(c.Audience), audience)
	case c.delegated() != nil:
		return v, noVote("the ID token is not its subject's own: %w", c.delegated())
	case c.Authorized != nil && c.Authorized != audience, c.Client != nil && c.Client != audience:
		return v, noVote("the ID token was given to another application (azp, client_id) than the one that votes")
	case c.Subject == "" || len(c.Subject) > maxSubject:
		return v, noVote("the ID token must name its subject (sub) in 1 to %d bytes", maxSubject)
	case !issued || !expires || !v.IssuedAt.Before(v.ExpiresAt):
		return v, noVote("the ID token must say when it was issued (iat) and when, later, it expires (exp)")
	case !loggedIn || v.LoggedInAt.After(v.IssuedAt):
		return v, noVote("the ID token must say when the person logged in (auth_time), not after it was issued: ask for it with max_age")
	case v.Verdict != sallyport.Approve && v.Verdict != sallyport.Reject || !v.Ballot.Valid():
		return v, noVote("the ID token's nonce must be %q or %q, a colon and the ballot's digest: it was not issued for a vote", sallyport.Approve, sallyport.Reject)
	}
	return v, nil
}

// Kept is what a recorded vote is verified with. Zero fields are not compared.
type Kept struct {
	Keys     []jose.JSONWebKey // that the identity provider published; else the recorded key is taken at its word
	Issuer   string            // the identity provider
	Audience string            // of votes
}

// Verify verifies a recorded vote on a ballot by its evidence alone: the ID
// token, and the key that the provider had then.
func (k Kept) Verify(v sallyport.Vote, b sallyport.Ballot) error {
	h, c, err := parseToken(v.Evidence.Token)
	if err != nil {
		return noVote("the ID token can't be read: %w", err)
	}
	if err := k.signed(v, h); err != nil {
		return err
	}
	if k.Issuer != "" && c.Issuer != k.Issuer {
		return noVote("the ID token is of %.200q and not of %s", c.Issuer, k.Issuer)
	}
	audience := k.Audience
	if audience == "" && len(c.Audience) == 1 {
		audience = c.Audience[0]
	}
	said, err := readVote(h, c, audience)
	switch {
	case err != nil:
		return err
	case said.Account != v.Account || said.Verdict != v.Verdict || said.Ballot != v.Ballot || !said.IssuedAt.Equal(v.At):
		return noVote("the ID token says %s by %q at %s, and the vote another thing",
			sallyport.VoteNonce(said.Verdict, said.Ballot), said.Account.Subject, said.IssuedAt.UTC().Format(time.RFC3339))
	case said.Ballot != b.Digest() || said.LoggedInAt.Before(b.OpenedAt.Add(-Leeway)):
		return noVote("the person logged in at %s, and the ballot was opened at %s",
			said.LoggedInAt.Format(time.RFC3339), b.OpenedAt.Format(time.RFC3339))
	}
	return nil
}

// signed verifies the signature.
func (k Kept) signed(v sallyport.Vote, h header) error {
	var key jose.JSONWebKey
	if err := json.Unmarshal(v.Key, &key); err != nil || !key.IsPublic() {
		return noVote("no public key was kept with the vote")
	}
	if k.Keys != nil && !slices.ContainsFunc(k.Keys, func(t jose.JSONWebKey) bool { return sameKey(t, key) }) {
		return noVote("the kept key %.100q is none of the provider's", key.KeyID)
	}
	if by, err := signedBy(v.Evidence.Token, h, []jose.JSONWebKey{key}, algorithms()); err != nil || by == nil {
		return noVote("the ID token is not signed with the kept key")
	}
	return nil
}

func sameKey(a, b jose.JSONWebKey) bool {
	x, errX := a.Thumbprint(crypto.SHA256)
	y, errY := b.Thumbprint(crypto.SHA256)
	return errX == nil && errY == nil && slices.Equal(x, y)
}
