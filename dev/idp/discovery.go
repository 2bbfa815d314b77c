package idp

import (
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

// metadata is a discovery document (OpenID Connect Discovery 1.0, RFC 8414).
type metadata struct {
	Issuer         string   `json:"issuer"`
	Authorization  string   `json:"authorization_endpoint,omitempty"`
	Token          string   `json:"token_endpoint"`
	Keys           string   `json:"jwks_uri"`
	UserInfo       string   `json:"userinfo_endpoint,omitempty"`
	EndSession     string   `json:"end_session_endpoint,omitempty"`
	ResponseTypes  []string `json:"response_types_supported"`
	ResponseModes  []string `json:"response_modes_supported,omitempty"`
	GrantTypes     []string `json:"grant_types_supported"`
	SubjectTypes   []string `json:"subject_types_supported"`
	IDTokenAlgs    []string `json:"id_token_signing_alg_values_supported"`
	ClientAuth     []string `json:"token_endpoint_auth_methods_supported"`
	Scopes         []string `json:"scopes_supported,omitempty"`
	Claims         []string `json:"claims_supported,omitempty"`
	Challenges     []string `json:"code_challenge_methods_supported,omitempty"`
	Prompts        []string `json:"prompt_values_supported,omitempty"`
	IssuerReturned bool     `json:"authorization_response_iss_parameter_supported,omitempty"`
}

func (p *Provider) discoverAgents(w http.ResponseWriter, _ *http.Request) {
	base := p.agents.url
	writeJSON(w, http.StatusOK, metadata{
		Issuer: base, Token: base + "/token", Keys: base + "/keys",
		ResponseTypes: []string{}, GrantTypes: []string{grantClientCredentials},
		SubjectTypes: []string{"public"}, IDTokenAlgs: []string{string(jose.RS256)},
		ClientAuth: []string{"client_secret_basic", "client_secret_post"},
	})
}

func (p *Provider) discoverPeople(w http.ResponseWriter, _ *http.Request) {
	base := p.people.url
	writeJSON(w, http.StatusOK, metadata{
		Issuer: base, Authorization: base + "/authorize", Token: base + "/token", Keys: base + "/keys",
		UserInfo: base + "/userinfo", EndSession: base + "/logout",
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query"}, GrantTypes: []string{grantCode},
		SubjectTypes: []string{"public"}, IDTokenAlgs: []string{string(jose.RS256)},
		ClientAuth: []string{"client_secret_basic", "client_secret_post", "none"},
		Scopes:     []string{scopeOpenID, "profile", "email"},
		Claims:     []string{"sub", "name", "preferred_username", "email", "email_verified", "auth_time", "nonce"},
		Challenges: []string{challengeS256}, Prompts: []string{"none", "login", "select_account"},
		IssuerReturned: true,
	})
}

func (i *issuer) serveKeys(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{i.public}})
}
