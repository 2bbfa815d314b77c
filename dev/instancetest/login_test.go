package instancetest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/instancetest"
)

var requestKey = regexp.MustCompile(`name="request" value="([^"]+)"`)

// logIn does what a browser and a person do with an address to log in at:
// look at the page, choose who one is, and be sent back.
func logIn(ctx context.Context, address, person string) error {
	page, err := fetch(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	key := requestKey.FindStringSubmatch(page)
	if key == nil {
		return fmt.Errorf("there is no log-in page: %s", page)
	}
	at, _, _ := strings.Cut(address, "?")
	_, err = fetch(ctx, http.MethodPost, at, url.Values{"request": {key[1]}, "person": {person}})
	return err
}

func fetch(ctx context.Context, method, address string, form url.Values) (string, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %s: %s", resp.Request.URL, resp.Status, body)
	}
	return string(body), nil
}

// approves runs `sallyport approve` and logs in wherever it asks to, as who it
// says for the first time, the second time, and so on.
func (d *doomed) approves(id string, who []string, flags ...string) (string, error) {
	d.t.Helper()
	return d.logsIn(append([]string{"approve", id, "--yes"}, flags...), who)
}

// logsIn runs a command of `sallyport`, and logs in as approves does.
func (d *doomed) logsIn(args, who []string) (string, error) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	args = append(args, "--dev-dir", d.Path(""), "--no-browser")
	cmd := exec.CommandContext(ctx, instancetest.Program(d.t, "sallyport"), args...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+d.Path("state")) // log-ins that are kept
	var out strings.Builder
	cmd.Stdout = &out
	errs, err := cmd.StderrPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	said := ""
	for lines := bufio.NewScanner(errs); lines.Scan(); {
		address := strings.TrimSpace(lines.Text())
		if !strings.HasPrefix(address, "http") {
			said += lines.Text() + "\n"
			continue
		}
		if len(who) == 0 {
			d.t.Errorf("it asks to log in once more: %s", address)
			break
		}
		if err := logIn(ctx, address, who[0]); err != nil {
			d.t.Error(err)
		}
		who = who[1:]
	}
	err = cmd.Wait()
	if len(who) > 0 {
		d.t.Errorf("it did not ask %v to log in: %s", who, said)
	}
	return out.String() + said, err
}

// keptReads runs a command that takes no log-in beside the one that is kept.
func (d *doomed) keptReads(args ...string) (string, error) {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), instancetest.Program(d.t, "sallyport"), append(args, "--dev-dir", d.Path(""))...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+d.Path("state"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestApproveByLogin votes as people do who have no token: by logging in.
func TestApproveByLogin(t *testing.T) {
	t.Parallel()
	d := start(t, seeded(t, "production/api", "production/worker"))
	id := d.submit(scale("production/api", 5))
	d.ballot(id)

	for name, tt := range map[string]struct {
		reason string
		who    []string
		flags  []string
		want   string
	}{
		"Owner":    {"alice owns the agent", []string{"alice", "alice"}, nil, "alice owns the agent deploy-bot"},
		"Another":  {"carol signs what bob looked at", []string{"bob", "carol"}, nil, "the ID token is of carol, and the vote was sent by bob"},
		"Stranger": {"dave is in another group", []string{"dave"}, nil, "there is no such call, or it is not yours to see"},
		"NoLogIn":  {"bob changes his mind at the log-in page", []string{""}, nil, "refused the log-in: access_denied"},
		"Nowhere":  {"it is no identity provider", nil, []string{"--issuer", "http://127.0.0.1:1"}, "does not say how to log in"},
		"Plain":    {"every program on the network path can read a log-in over plain http", nil, []string{"--issuer", "http://idp.example.com"}, "must be an https URL"},
	} {
		out, err := d.approves(id, tt.who, tt.flags...)
		if err == nil || !strings.Contains(out, tt.want) {
			t.Errorf("%s: %v, %q; want %q: %s", name, err, out, tt.want, tt.reason)
		}
	}

	// An API that was taken over shows another plan: bob is not asked to sign.
	provider := d.Info().IdentityProvider + "/people"
	out, err := d.approves(id, []string{"bob"}, "--server", d.liar("3 → 5", "are 5 already"), "--issuer", provider)
	if err == nil || !strings.Contains(out, "nothing was signed: the digest of the plan") {
		t.Errorf("at an API that lies: %v, %q", err, out)
	}

	// A log-in that bob keeps shows what waits for him, and votes on nothing: he logs
	// in twice for that all the same.
	if out, err := d.logsIn([]string{"login"}, []string{"bob"}); err != nil || !strings.Contains(out, "it reads and calls, and never votes") {
		t.Errorf("%v, %q", err, out)
	}
	if out, err := d.keptReads("ballots"); err != nil || !strings.Contains(out, id) {
		t.Errorf("%v, %q", err, out)
	}
	out, err = d.approves(id, []string{"bob", "bob"}, "--reason", "looks fine")
	if err != nil || !strings.Contains(out, "your vote counted") || !strings.Contains(out, "replicas 3 → 5") {
		t.Fatalf("%v, %q", err, out)
	}
	d.ends(id, sallyport.StateSucceeded)
	d.votedBy(id, client.Vote{Person: "bob", Verdict: sallyport.Approve, Evidence: sallyport.IDPSigned, Reason: "looks fine"})

	// Who has a token already logs in once, for the vote alone.
	second := d.submit(scale("production/worker", 5))
	d.ballot(second)
	if out, err := d.approves(second, []string{"carol"}, "--as", "carol", "--login", "--reject"); err != nil {
		t.Fatalf("%v, %q", err, out)
	}
	d.ends(second, sallyport.StateRejected)
	d.votedBy(second, client.Vote{Person: "carol", Verdict: sallyport.Reject, Evidence: sallyport.IDPSigned})

	// An auditor verifies the votes by the keys that the provider publishes.
	if r := verify(t, d.Instance); r.SignedVotes != 2 {
		t.Errorf("%d votes carry a signature, want 2", r.SignedVotes)
	}
	wantSound(t, d.Instance, d.book.calls())
}

// liar is an API that shows something else than was recorded.
func (d *doomed) liar(recorded, shown string) (address string) {
	d.t.Helper()
	target, err := url.Parse(d.Info().API)
	if err != nil {
		d.t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			lie := strings.ReplaceAll(string(body), recorded, shown)
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(lie)), int64(len(lie))
			r.Header.Set("Content-Length", strconv.Itoa(len(lie)))
			return err
		},
	})
	d.t.Cleanup(proxy.Close)
	return proxy.URL
}

// votedBy checks the one vote that a call has.
func (d *doomed) votedBy(id string, want client.Vote) {
	d.t.Helper()
	call, err := d.bot.Get(d.t.Context(), id, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	if len(call.Ballot.Votes) != 1 {
		d.t.Fatalf("call %s has the votes %+v", id, call.Ballot.Votes)
	}
	got := call.Ballot.Votes[0]
	got.At = time.Time{}
	if got != want {
		d.t.Errorf("call %s has the vote %+v, want %+v", id, got, want)
	}
}
