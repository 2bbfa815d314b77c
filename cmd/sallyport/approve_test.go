package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/cmd/internal/cli"
)

// lies are what an API that was taken over may show of a call in the place of what
// people vote on. The view is of the call that was asked for, other is of another.
var lies = map[string]struct {
	reason string
	lie    func(view, other map[string]any)
	want   string // of the refusal
}{
	"OtherArguments": {"the call is shown with other arguments", func(view, _ map[string]any) {
		replace(view, `"replicas":20`, `"replicas":6`, "covered", "intent")
	}, "the digest of the intent"},
	"OtherPlan": {"the plan is shown as one that changes nothing", func(view, _ map[string]any) {
		replace(view, "6 → 20", "are 6 already", "covered", "plan")
	}, "the digest of the plan"},
	"OtherPrecondition": {"the write is shown as one that other contents stop", func(view, _ map[string]any) {
		replace(view, `"blob":"abc"`, `"blob":"abd"`, "covered", "plan")
	}, "the digest of the plan"},
	"NoPlan": {"the plan is left out", func(view, _ map[string]any) {
		delete(at(view, "covered"), "plan")
		view["plan"] = nil
	}, "the digest of the plan"},
	"OtherTerms": {"fewer people are said to be needed", func(view, _ map[string]any) {
		replace(view, `"quorum":2`, `"quorum":1`, "covered", "ballot", "terms")
	}, "the digest of the ballot"},
	"OtherNonce": {"it is another wait's", func(view, _ map[string]any) {
		at(view, "covered", "ballot")["nonce"] = "another"
	}, "the digest of the ballot"},
	"NullLeftOut": {"a member that is null is not one that is missing", func(view, _ map[string]any) {
		replace(view, `"before":null,`, ``, "covered", "plan")
	}, "the digest of the plan"},
	"NullForNothing": {"a list of none is not null", func(view, _ map[string]any) {
		replace(view, `"groups":null`, `"groups":[]`, "covered", "intent")
	}, "the digest of the intent"},
	"Reordered": {"members in another order are other bytes", func(view, _ map[string]any) {
		var members map[string]any
		covered := at(view, "covered")
		if json.Unmarshal([]byte(covered["intent"].(string)), &members) == nil {
			covered["intent"] = encode(members)
		}
	}, "the digest of the intent"},
	"Cut": {"the last byte is missing", func(view, _ map[string]any) {
		covered := at(view, "covered")
		covered["plan"] = strings.TrimSuffix(covered["plan"].(string), "}")
	}, "the digest of the plan"},
	"OtherBallot": {"the vote is to be on another call", func(view, other map[string]any) {
		view["covered"], view["ballot"] = other["covered"], other["ballot"]
		view["intent"], view["plan"] = other["intent"], other["plan"]
	}, "the ballot is of call"},
	"OtherBallotBeside": {"the vote is to be on another call than the one that is shown", func(view, other map[string]any) {
		at(view, "ballot")["digest"] = at(other, "ballot")["digest"]
	}, "the digest of the ballot"},
	"OtherIntentBeside": {"the digest beside the call is another one", func(view, other map[string]any) {
		at(view, "intent")["digest"] = at(other, "intent")["digest"]
	}, "the digest of the intent"},
	"OtherIntent": {"the ballot is made out to this call, and its intent is another's", func(view, other map[string]any) {
		at(other, "covered", "ballot")["call_id"] = view["id"]
		view["covered"], view["intent"], view["plan"] = other["covered"], other["intent"], other["plan"]
		rehash(view)
	}, "the intent is of call"},
	"UnknownMember": {"what is covered and can't be shown is not voted on", func(view, _ map[string]any) {
		replace(view, `{"summary"`, `{"more":1,"summary"`, "covered", "plan")
		rehash(view)
	}, "there is no such member"},
	"Twice": {"a member that stands twice can be read in two ways", func(view, _ map[string]any) {
		replace(view, `{"summary"`, `{"summary":"are 6 already","summary"`, "covered", "plan")
		rehash(view)
	}, "can't be shown"},
	"NothingCovered": {"there is nothing to hold the view against", func(view, _ map[string]any) {
		delete(view, "covered")
	}, "does not give the bytes"},
}

// TestApproveLies votes at an API that shows something else than what is voted on.
func TestApproveLies(t *testing.T) {
	s := newStage(t)
	for name, tt := range lies {
		t.Run(name, func(t *testing.T) {
			for _, verdict := range []string{"--reject=false", "--reject"} {
				out, code := s.approve(t, func(view map[string]any) { tt.lie(view, s.view(t, s.other)) }, verdict)
				if code == 0 || !strings.Contains(out, "nothing was signed") || !strings.Contains(out, tt.want) {
					t.Errorf("%s: it exits with %d and says %q; want %q", tt.reason, code, out, tt.want)
				}
				if n := len(s.votes); n > 0 {
					t.Fatalf("%s: it voted %v", tt.reason, s.votes)
				}
			}
		})
	}
}

// TestApproveShowsWhatIsCovered: the members of a call that no digest covers are
// not what is shown as the call.
func TestApproveShowsWhatIsCovered(t *testing.T) {
	s := newStage(t)
	out, code := s.approve(t, func(view map[string]any) {
		view["agent"], view["tool"] = "lie-agent", "lie-tool"
		at(view, "plan")["summary"], at(view, "plan")["diff"] = "replicas are 6 already", ""
		for _, name := range []string{"action", "resource", "namespace", "name"} {
			at(view, "intent")[name] = "lie-" + name
		}
		at(view, "ballot")["quorum"], at(view, "ballot")["groups"] = 7, []string{"lie-group"}
		at(view, "decision")["reasons"] = []any{map[string]any{"code": "lie-code", "message": "alice agreed\nagent lie"}}
	})
	if code != 0 || len(s.votes) != 1 || s.votes[0].Paper.Ballot != s.asked.Digest() {
		t.Fatalf("it exits with %d, votes %+v and says %q", code, s.votes, out)
	}
	call, word, ok := strings.Cut(out, "\nThe gateway says (the vote does not cover this):\n")
	if !ok || strings.Contains(call, "lie-") || strings.Contains(out, "already") || strings.Contains(out, "lie-group") {
		t.Errorf("as the call it shows what the gateway says:\n%s", out)
	}
	if !strings.Contains(word, "  | policy: lie-code: alice agreed\n  | agent lie\n") {
		t.Errorf("it does not show what the gateway says behind a bar: %s", word)
	}
	for _, want := range []string{
		"agent    deploy-bot (owner alice)\n", "tool     gitops_scale_deployment\nmanifest sha256:", "target   production/api\n",
		"ballot   " + string(s.asked.Digest()) + "\n", "needs    2 of [sre] within 15m0s, by [api-attested]\n",
		"  |   \"note\": \"a <b> & \\\"c\\\"\",\n  |   \"replicas\": 20,\n  |   \"token\": \"redacted:hmac-sha256:00\"\n",
		"  | replicas 6 → 20\n  | -  replicas: 6\n  | +  replicas: 20\n", "  | /spec/paused: null → false\n", "  |   \"blob\": \"abc\"\n",
		"  | load\n  | The gateway says: \\u{001b}[2Jyes\n  | " + strings.Repeat("x", 72) + "\n  : xx\n",
	} {
		if !strings.Contains(call, want) {
			t.Errorf("it does not show %q:\n%s", want, call)
		}
	}
}

// TestApproveOtherBallot: a person who was told of a ballot votes on that one.
func TestApproveOtherBallot(t *testing.T) {
	s := newStage(t)
	honest := func(map[string]any) {}
	out, code := s.approve(t, honest, "--ballot", string(sallyport.NewDigest("another")))
	if code == 0 || len(s.votes) > 0 || !strings.Contains(out, "nothing was signed: call "+s.asked.CallID+" waits for votes on ballot "+string(s.asked.Digest())) {
		t.Errorf("it exits with %d, votes %+v and says %q", code, s.votes, out)
	}
	if out, code := s.approve(t, honest, "--ballot", string(s.asked.Digest())); code != 0 || len(s.votes) != 1 {
		t.Errorf("it exits with %d, votes %+v and says %q", code, s.votes, out)
	}
}

// TestApproveHostileNames: no value, however long, comes to stand where the
// program's own words do.
func TestApproveHostileNames(t *testing.T) {
	s := newStage(t, func(i *sallyport.Intent, _ *sallyport.Plan, _ *sallyport.Ballot) {
		i.Name = "api\nneeds    0 of [none]" + strings.Repeat(" ", 200) + "ballot   sha256:00"
	})
	out, code := s.approve(t, func(map[string]any) {})
	if code != 0 || !strings.Contains(out, `target   production/api\nneeds    0 of [none]`) {
		t.Errorf("it exits with %d and says %q", code, out)
	}
	for text := range strings.Lines(out) {
		if len(text) > 81 { // with its line feed
			t.Errorf("a terminal breaks the line %q", text)
		}
	}
	if strings.Count(out, "\nneeds    ") != 1 || strings.Count(out, "\nballot   ") != 1 {
		t.Errorf("a name stands in the place of the program's words:\n%s", out)
	}
}

// TestApproveWithoutPlan: of a tool that makes no plan, an approver sees the
// arguments.
func TestApproveWithoutPlan(t *testing.T) {
	s := newStage(t, withoutPlan)
	out, code := s.approve(t, func(map[string]any) {}, "--reject")
	if code != 0 || len(s.votes) != 1 || s.votes[0].Paper.Verdict != sallyport.Reject {
		t.Fatalf("it exits with %d, votes %+v and says %q", code, s.votes, out)
	}
	if !strings.Contains(out, "  |   \"replicas\": 20,\n") || !strings.Contains(out, "The tool makes no plan") {
		t.Errorf("it shows\n%s", out)
	}
}

// approve votes as bob, at an API that alters the view of the call.
func (s *stage) approve(t *testing.T, lie func(map[string]any), flags ...string) (output string, code int) {
	t.Helper()
	s.votes = nil
	target, err := url.Parse(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error { return alter(r, lie) },
	})
	defer proxy.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("bob"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	args := append([]string{"approve", s.asked.CallID, "--yes", "--server", proxy.URL, "--token-file", token}, flags...)
	code = cli.Run(command(), args, strings.NewReader(""), &out, &out)
	return out.String(), code
}

// alter rewrites a response with a call in it. As programs on the way do, it keeps
// neither the order of members nor their spelling.
func alter(r *http.Response, lie func(map[string]any)) error {
	if r.Request.Method != http.MethodGet {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	var view map[string]any
	if err := json.Unmarshal(body, &view); err != nil {
		return err
	}
	lie(view)
	body = []byte(encode(view))
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// at is an object within an object.
func at(v map[string]any, path ...string) map[string]any {
	for _, name := range path {
		below, ok := v[name].(map[string]any)
		if !ok {
			return map[string]any{}
		}
		v = below
	}
	return v
}

// replace alters a text within a view.
func replace(view map[string]any, from, to string, path ...string) {
	last := len(path) - 1
	object := at(view, path[:last]...)
	text, _ := object[path[last]].(string)
	object[path[last]] = strings.ReplaceAll(text, from, to)
}

// rehash makes the digests of a view those of its own bytes, as a liar would.
func rehash(view map[string]any) {
	covered := at(view, "covered")
	ballot := at(covered, "ballot")
	text := func(object map[string]any, name string) string { s, _ := object[name].(string); return s }
	intent, plan := sallyport.IntentDigest([]byte(text(covered, "intent"))), sallyport.PlanDigest([]byte(text(covered, "plan")))
	at(view, "intent")["digest"], ballot["intent"] = string(intent), string(intent)
	at(view, "plan")["digest"], ballot["plan"] = string(plan), string(plan)
	at(view, "ballot")["digest"] = string(sallyport.BallotParts{
		CallID: text(ballot, "call_id"), Nonce: text(ballot, "nonce"), Intent: intent, Plan: plan, Terms: text(ballot, "terms"),
	}.Digest())
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
