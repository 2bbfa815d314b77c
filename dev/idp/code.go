package idp

import (
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

const (
	codeTTL   = time.Minute
	grantCode = "authorization_code"
)

// verifier is a code verifier (RFC 7636, section 4.1).
var verifier = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// grant is what a code stands for.
type grant struct {
	authorization

	person   string
	loggedIn time.Time
}

// personToken redeems a code. A code is spent by the first attempt, whether
// it succeeds or not.
func (p *Provider) personToken(w http.ResponseWriter, r *http.Request) {
	values, ok := form(w, r)
	if !ok {
		return
	}
	client, ok := p.authenticate(r, values)
	if !ok {
		refuse(w, "invalid_client", "no client has this id and secret")
		return
	}
	if values.Get("grant_type") != grantCode {
		refuse(w, "unsupported_grant_type", "people get tokens by "+grantCode)
		return
	}
	g, ok := p.codes.take(values.Get("code"), p.opts.Now())
	if !ok || g.client.ID != client.ID || g.redirect != values.Get("redirect_uri") || !g.proves(values.Get("code_verifier")) {
		refuse(w, "invalid_grant", "the code is unknown, spent, expired or another client's, or redirect_uri or code_verifier don't belong to it")
		return
	}
	if wanted, ok := asked(values); !ok || (wanted != "" && wanted != g.audience) {
		refuse(w, "invalid_target", "the code was given for another audience")
		return
	}
	answer, err := p.tokensFor(g, client)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.opts.Logger.InfoContext(r.Context(), "tokens given to a person",
		slog.String("person", g.person), slog.String("client", client.ID), slog.String("audience", g.audience))
	writeJSON(w, http.StatusOK, answer)
}

// authenticate finds the client that sent a request. A public client has no
// secret, and only its code verifier shows that a code is its own.
func (p *Provider) authenticate(r *http.Request, values url.Values) (Client, bool) {
	id, secret, ok := credentials(r, values)
	if !ok {
		return Client{}, false
	}
	client, ok := p.client(id)
	if !ok {
		return Client{}, false
	}
	if client.Public {
		return client, secret == ""
	}
	return client, same(p.secrets[id], secret)
}

// proves reports whether a code verifier is the one that the code was bound
// to. Where there was no challenge there must be no verifier, or an attacker
// took the challenge away (RFC 9700, section 4.8.2).
func (g grant) proves(code string) bool {
	if g.challenge == "" {
		return code == ""
	}
	sum := sha256.Sum256([]byte(code))
	return verifier.MatchString(code) && same(g.challenge, base64.RawURLEncoding.EncodeToString(sum[:]))
}

func (p *Provider) tokensFor(g grant, client Client) (tokenAnswer, error) {
	access, err := p.accessToken(p.people, accessRequest{
		subject: g.person, audience: g.audience, client: client.ID, scope: g.scope, ttl: client.ttl(),
	})
	if err != nil {
		return tokenAnswer{}, err
	}
	id, err := p.idToken(g, client)
	if err != nil {
		return tokenAnswer{}, err
	}
	return tokenAnswer{
		AccessToken: access, TokenType: "Bearer", ExpiresIn: int(client.ttl().Seconds()), IDToken: id, Scope: g.scope,
	}, nil
}

// userInfo says who an access token is of (OpenID Connect Core 1.0, section
// 5.3).
func (p *Provider) userInfo(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	person, scope, err := p.readAccessToken(token)
	if err != nil || !strings.EqualFold(scheme, "Bearer") {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, oauthError{Code: "invalid_token"})
		return
	}
	if !strings.Contains(" "+scope+" ", " "+scopeOpenID+" ") {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="openid"`)
		writeJSON(w, http.StatusForbidden, oauthError{Code: "insufficient_scope"})
		return
	}
	writeJSON(w, http.StatusOK, p.profile(person))
}
