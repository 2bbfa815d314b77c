package instancetest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/idp"
)

// door is one request that a person may make, and the person. Their own token
// opens it; one by which an agent acts for them does not.
type door struct {
	method, path, body string
	who                string
}

// doors are those of the API, but for probes and the published log, which take
// no token. {call} is a call that waits.
func doors() []door {
	return []door{
		{http.MethodGet, "/v1/calls", "", "audra"},
		{http.MethodGet, "/v1/calls/{call}", "", "bob"},
		{http.MethodGet, "/v1/calls/{call}/proof", "", "audra"},
		{http.MethodGet, "/v1/ledger", "", "audra"},
		{http.MethodGet, "/v1/ballots", "", "bob"},
		{http.MethodGet, "/v1/freezes", "", "audra"},
		{http.MethodPost, "/v1/freezes", `{"agent": "triage-bot", "reason": "test"}`, "olga"},
		{http.MethodDelete, "/v1/freezes/{freeze}", "", "olga"},
		{http.MethodPost, "/v1/calls/{call}/votes", `{"verdict": "approve", "ballot": "{ballot}"}`, "bob"},
		{http.MethodPost, "/v1/calls/{twin}/cancel", "", "olga"},
	}
}

// byAnAgent are what a token says with which an agent acts for a person.
func byAnAgent() map[string]claims {
	return map[string]claims{
		"Actor":      {"act": map[string]any{"sub": "deploy-bot"}},
		"ActorText":  {"act": "deploy-bot"},
		"Authorized": {"azp": "deploy-bot"},
		"Client":     {"client_id": "triage-bot"},
	}
}

// TestDelegatedTokens knocks at every door of a whole instance with tokens that
// the identity provider signed for people, and by which an agent acts.
func TestDelegatedTokens(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	f.t = t
	freeze, err := f.Client(t, "olga").Freeze(t.Context(), client.Freeze{Agent: "triage-bot", Reason: "of the test's own"})
	if err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer("{call}", f.target, "{twin}", f.twin, "{ballot}", string(f.ballot), "{freeze}", freeze.ID)
	for name, agent := range byAnAgent() {
		with := func(who, audience string) string {
			c := maps.Clone(agent)
			c["sub"], c["aud"] = who, audience
			return f.access(f.people, c)
		}
		for _, d := range doors() {
			t.Run(name+"/"+d.method+d.path, func(t *testing.T) {
				if status, code := f.knocks(t, d, names, with(d.who, "sallyport")); status != http.StatusUnauthorized || code != "delegated_token" {
					t.Errorf("%d %s", status, code)
				}
			})
		}
		t.Run(name+"/IDToken", func(t *testing.T) {
			if err := f.handsIn(f.signed(f.people, agent)); !strings.Contains(codeOf(err), "bad_evidence") {
				t.Errorf("it was answered with %q", codeOf(err))
			}
		})
		t.Run(name+"/Signal", func(t *testing.T) {
			if err := f.signals(with("bob", "temporal"), f.target, f.yes()); !oneOf(codeOf(err), "Unauthenticated|PermissionDenied") {
				t.Errorf("it was answered with %q", codeOf(err))
			}
		})
		t.Run(name+"/Terminate", func(t *testing.T) {
			err := f.at(with("olga", "temporal")).TerminateWorkflow(t.Context(), "call-"+f.target, "", "x")
			if !oneOf(codeOf(err), "Unauthenticated|PermissionDenied") {
				t.Errorf("it was answered with %q", codeOf(err))
			}
		})
		t.Run(name+"/UI", func(t *testing.T) {
			for token, want := range map[string]bool{with("bob", "temporal"): false, f.temporalToken("bob"): true} {
				if status := f.opensUI(t, token); (status == http.StatusOK) != want {
					t.Errorf("the UI answers %d; want it opened: %v", status, want)
				}
			}
		})
	}
	if votes := f.votesOn(f.target); len(votes) != 0 {
		t.Errorf("%d votes count", len(votes))
	}
	// A person's own token, issued to a public client, opens each of them.
	for _, d := range doors() {
		own := f.access(f.people, claims{"sub": d.who, "azp": "sallyport-approve", "client_id": "sallyport-approve"})
		if status, code := f.knocks(t, d, names, own); status >= 300 {
			t.Errorf("%s %s by %s: %d %s", d.method, d.path, d.who, status, code)
		}
	}
}

// knocks makes the request with a token.
func (f *forger) knocks(t *testing.T, d door, names *strings.Replacer, token string) (status int, code string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), d.method, f.Info().API+names.Replace(d.path), strings.NewReader(names.Replace(d.body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if d.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var problem struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(body, &problem) // the published log and lists are no problems
	return resp.StatusCode, problem.Code
}

// opensUI asks the Temporal UI for a workflow, as its pages do.
func (f *forger) opensUI(t *testing.T, token string) int {
	t.Helper()
	url := fmt.Sprintf("%s/api/v1/namespaces/default/workflows/call-%s", f.Info().TemporalUI, f.target)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Authorization-Extras", f.signed(f.people, claims{"aud": idp.UIClient, "nonce": nil})) // the log-in itself
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}
