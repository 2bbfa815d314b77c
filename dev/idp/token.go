package idp

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	typAccess = "at+jwt" // RFC 9068
	typID     = "JWT"

	defaultTTL = time.Hour
	mostTTL    = 24 * time.Hour
)

// Token makes an access token of an agent or a person, as the process that
// holds the provider may. A ttl of zero means an hour, the most is a day; ""
// as audience means [DefaultAudience].
func (p *Provider) Token(subject, audience string, ttl time.Duration) (string, error) {
	if audience == "" {
		audience = DefaultAudience
	}
	if ttl == 0 {
		ttl = defaultTTL
	}
	if ttl < 0 || ttl > mostTTL {
		return "", fmt.Errorf("a token can't be valid for %s: the most is %s", ttl, mostTTL)
	}
	from := p.people
	switch {
	case p.isAgent(subject):
		from = p.agents
	case !p.isPerson(subject):
		return "", fmt.Errorf("there is no agent and no person %q here: there are %v", subject, p.subjects())
	}
	return p.accessToken(from, accessRequest{subject: subject, audience: audience, client: subject, ttl: ttl})
}

// accessRequest says what an access token is to say.
type accessRequest struct {
	subject, audience, client, scope string
	ttl                              time.Duration
}

func (p *Provider) accessToken(from *issuer, r accessRequest) (string, error) {
	claims := map[string]any{}
	if p.opts.Claims != nil {
		maps.Copy(claims, p.opts.Claims(r.subject, r.audience))
	}
	now := p.opts.Now()
	maps.Copy(claims, map[string]any{
		"iss": from.url, "sub": r.subject, "aud": r.audience, "client_id": r.client,
		"iat": now.Unix(), "exp": now.Add(r.ttl).Unix(), "jti": rand.Text(),
	})
	delete(claims, "nbf")
	delete(claims, "scope")
	if r.scope != "" {
		claims["scope"] = r.scope
	}
	return sign(from.access, claims)
}

// idToken says to a client who logged in (OpenID Connect Core 1.0, section 2).
func (p *Provider) idToken(g grant, client Client) (string, error) {
	now := p.opts.Now()
	claims := p.profile(g.person)
	maps.Copy(claims, map[string]any{
		"iss": p.people.url, "aud": client.ID, "iat": now.Unix(), "exp": now.Add(client.ttl()).Unix(),
		"auth_time": g.loggedIn.Unix(), "jti": rand.Text(),
	})
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	return sign(p.people.id, claims)
}

func sign(by jose.Signer, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("the claims of a token: %w", err)
	}
	signed, err := by.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return signed.CompactSerialize()
}

// profile is what clients may know of a person.
func (p *Provider) profile(id string) map[string]any {
	name := id
	for _, person := range p.opts.People {
		if person.ID == id {
			name = person.name()
		}
	}
	return map[string]any{"sub": id, "name": name, "preferred_username": id, "email": id + "@example.com", "email_verified": false}
}

// readAccessToken checks an access token of people, for the user info
// endpoint.
func (p *Provider) readAccessToken(token string) (subject, scope string, err error) {
	parsed, err := jwt.ParseSigned(token, signatureAlgorithms())
	if err != nil {
		return "", "", err
	}
	if parsed.Headers[0].ExtraHeaders["typ"] != typAccess {
		return "", "", errors.New("not an access token")
	}
	var claims jwt.Claims
	var scopes struct {
		Scope string `json:"scope"`
	}
	if err := parsed.Claims(p.people.public.Key, &claims, &scopes); err != nil {
		return "", "", err
	}
	if claims.Expiry == nil || claims.Issuer != p.people.url || !p.opts.Now().Before(claims.Expiry.Time()) || !p.isPerson(claims.Subject) {
		return "", "", errors.New("expired, or not of this issuer")
	}
	return claims.Subject, scopes.Scope, nil
}

func (p *Provider) isAgent(id string) bool {
	return slices.ContainsFunc(p.opts.Agents, func(a AgentEntry) bool { return a.ID == id })
}

func (p *Provider) isPerson(id string) bool {
	return slices.ContainsFunc(p.opts.People, func(e PersonEntry) bool { return e.ID == id })
}

func (p *Provider) subjects() []string {
	var all []string
	for _, a := range p.opts.Agents {
		all = append(all, a.ID)
	}
	for _, e := range p.opts.People {
		all = append(all, e.ID)
	}
	return all
}

func (e PersonEntry) name() string {
	if e.Name == "" {
		return e.ID
	}
	return e.Name
}

func (c Client) ttl() time.Duration {
	if c.TokenTTL == 0 {
		return defaultTTL
	}
	return c.TokenTTL
}

// audienceOf is what a request's audience or resource parameter comes to, or
// false where it must not be asked for.
func audienceOf(allowed []string, asked string) (string, bool) {
	if len(allowed) == 0 {
		allowed = []string{DefaultAudience}
	}
	if asked == "" {
		return allowed[0], true
	}
	return asked, slices.Contains(allowed, asked)
}
