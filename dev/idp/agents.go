package idp

import (
	"log/slog"
	"net/http"
)

const grantClientCredentials = "client_credentials"

// tokenAnswer is RFC 6749, section 5.1.
type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	IDToken     string `json:"id_token,omitempty"`
	Scope       string `json:"scope,omitempty"`
}

// agentToken gives an agent a token for its secret (RFC 6749, section 4.4).
func (p *Provider) agentToken(w http.ResponseWriter, r *http.Request) {
	values, ok := form(w, r)
	if !ok {
		return
	}
	id, secret, ok := credentials(r, values)
	if !ok || !p.isAgent(id) || !same(p.secrets[id], secret) {
		refuse(w, "invalid_client", "no agent has this id and secret")
		return
	}
	if values.Get("grant_type") != grantClientCredentials {
		refuse(w, "unsupported_grant_type", "agents get tokens by "+grantClientCredentials)
		return
	}
	var allowed []string
	for _, a := range p.opts.Agents {
		if a.ID == id {
			allowed = a.Audiences
		}
	}
	wanted, ok := asked(values)
	audience, allowedIt := audienceOf(allowed, wanted)
	if !ok || !allowedIt {
		refuse(w, "invalid_target", id+" may not have tokens for this audience")
		return
	}
	token, err := p.accessToken(p.agents, accessRequest{subject: id, audience: audience, client: id, ttl: defaultTTL})
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.opts.Logger.InfoContext(r.Context(), "token given to an agent", slog.String("agent", id), slog.String("audience", audience))
	writeJSON(w, http.StatusOK, tokenAnswer{AccessToken: token, TokenType: "Bearer", ExpiresIn: int(defaultTTL.Seconds())})
}

// fail answers where we are at fault.
func (p *Provider) fail(w http.ResponseWriter, r *http.Request, err error) {
	p.opts.Logger.ErrorContext(r.Context(), "identity provider failed", slog.String("path", r.URL.Path), slog.Any("error", err))
	writeJSON(w, http.StatusInternalServerError, oauthError{Code: "server_error"})
}
