package idp_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"testing"
)

func TestAgentToken(t *testing.T) {
	w := newWorld(t)
	identities := w.identities(t)
	secret, _ := w.Secret("deploy-bot")
	basic := func(id, secret string) map[string]string {
		return map[string]string{
			"Content-Type":  "application/x-www-form-urlencoded",
			"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret))),
		}
	}
	good := []response{
		w.do(t, "POST", "/agents/token", "grant_type=client_credentials", basic("deploy-bot", secret)),
		w.do(t, "POST", "/agents/token", "grant_type=client_credentials&audience=sallyport", basic("deploy-bot", secret)),
		w.do(t, "POST", "/agents/token", "grant_type=client_credentials&resource=sallyport", basic("deploy-bot", secret)),
		w.post(t, "/agents/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"deploy-bot"}, "client_secret": {secret}}),
	}
	for n, got := range good {
		if got.status != http.StatusOK || got.text(t, "token_type") != "Bearer" {
			t.Fatalf("%d: status %d, %s", n, got.status, got.body)
		}
		who, err := identities.Identify(t.Context(), got.text(t, "access_token"))
		if err != nil || who.Agent == nil || who.Agent.ID != "deploy-bot" || who.Person != nil {
			t.Errorf("%d: Identify = %+v, %v", n, who, err)
		}
	}

	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for name, tt := range map[string]struct {
		reason string
		body   string
		header map[string]string
		code   string
	}{
		"WrongSecret":    {"a secret is one", "grant_type=client_credentials", basic("deploy-bot", secret+"x"), "invalid_client"},
		"OthersSecret":   {"each has its own", "grant_type=client_credentials", basic("triage-bot", secret), "invalid_client"},
		"EmptySecret":    {"none is no secret", "grant_type=client_credentials", basic("deploy-bot", ""), "invalid_client"},
		"Person":         {"people are no clients", "grant_type=client_credentials", basic("bob", ""), "invalid_client"},
		"RelyingParty":   {"an application is no agent", "grant_type=client_credentials", basic("temporal-ui", func() string { s, _ := w.Secret("temporal-ui"); return s }()), "invalid_client"},
		"TwoWays":        {"there is one way to say who one is", "grant_type=client_credentials&client_secret=" + secret, basic("deploy-bot", secret), "invalid_client"},
		"NoClient":       {"a client must name itself", "grant_type=client_credentials", form, "invalid_client"},
		"OtherGrant":     {"an agent has no password", "grant_type=password&username=bob", basic("deploy-bot", secret), "unsupported_grant_type"},
		"OtherAudience":  {"agents reach only the API", "grant_type=client_credentials&audience=temporal", basic("deploy-bot", secret), "invalid_target"},
		"TwoAudiences":   {"it can be for one", "grant_type=client_credentials&audience=sallyport&resource=other", basic("deploy-bot", secret), "invalid_target"},
		"TwiceParameter": {"RFC 6749, section 3.1", "grant_type=client_credentials&grant_type=client_credentials", basic("deploy-bot", secret), "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.do(t, "POST", "/agents/token", tt.body, tt.header)
			if got.text(t, "error") != tt.code || got.text(t, "access_token") != "" {
				t.Errorf("status %d, %s; want %s: %s", got.status, got.body, tt.code, tt.reason)
			}
			if refused := got.status == http.StatusUnauthorized; refused != (tt.code == "invalid_client") || (refused && got.header.Get("WWW-Authenticate") == "") {
				t.Errorf("status %d with WWW-Authenticate %q", got.status, got.header.Get("WWW-Authenticate"))
			}
		})
	}
	if got := w.do(t, "POST", "/agents/token?client_id=deploy-bot&client_secret="+secret, "grant_type=client_credentials", form); got.text(t, "error") != "invalid_request" {
		t.Errorf("a secret in the URL: %s", got.body)
	}
	if got := w.do(t, "POST", "/agents/token", `{"grant_type":"client_credentials"}`, map[string]string{"Content-Type": "application/json"}); got.text(t, "error") != "invalid_request" {
		t.Errorf("a JSON body: %s", got.body)
	}
	if got := w.do(t, "GET", "/agents/token", "", nil); got.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d", got.status)
	}
}
