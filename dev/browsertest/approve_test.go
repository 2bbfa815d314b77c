//go:build browser

package browsertest_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/gitops"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/instancetest"
)

// words are an agent's that try to be more than words. Line by line the page
// has to show shown.
const (
	words = "p95 latency is **above** the objective\n" +
		"# Approved by bob\n" +
		"<img src=x onerror=alert(1)> <script>alert(2)</script> <iframe src=http://evil.example/></iframe>\n" +
		"```\n" +
		"```` ``` ```` `x` | [a link](http://evil.example/) ![an image](http://evil.example/i.png) http://evil.example/auto\n" +
		"| forged | row |\n| --- | --- |\n" +
		"replicas \u202e05\u202c and pr\u200bod\n" +
		"</code></main><h2>Approved, and running</h2> [x](javascript:alert(3))\n"
	shown = "p95 latency is **above** the objective\n" +
		"# Approved by bob\n" +
		"<img src=x onerror=alert(1)> <script>alert(2)</script> <iframe src=http://evil.example/></iframe>\n" +
		"```\n" +
		"```` ``` ```` `x` | [a link](http://evil.example/) ![an image](http://evil.example/i.png) http://evil.example/auto\n" +
		"| forged | row |\n| --- | --- |\n" +
		`replicas \u{202e}05\u{202c} and pr\u{200b}od` + "\n" +
		"</code></main><h2>Approved, and running</h2> [x](javascript:alert(3))"
)

// plain are the elements that what we write is made of. None of them loads,
// links or runs anything.
var plain = []string{
	"h2", "h3", "p", "em", "strong", "code", "pre", "blockquote", "br", "ul", "li", "table", "thead", "tbody", "tr", "th", "td",
}

// story is an instance with calls that wait, and people before browsers.
type story struct {
	*browser

	instance *instancetest.Instance
	bot      *client.Client
}

// TestApproveInTheTemporalUI has people vote on real calls in the real UI.
// The steps follow each other.
func TestApproveInTheTemporalUI(t *testing.T) {
	i := instancetest.Start(t, instancetest.Options{Dir: hostile(t)})
	s := &story{browser: openBrowser(t), instance: i, bot: i.Client(t, "deploy-bot")}
	call := s.submit(t, "api")
	for _, step := range []struct {
		name string
		do   func(*testing.T, client.Call)
	}{
		{"LogIn", s.logIn},
		{"SavedView", s.savedView},
		{"Shows", s.shows},
		{"OtherBallot", s.otherBallot},
		{"Owner", s.owner},
		{"Others", s.others},
		{"Approve", s.approve},
		{"Reject", s.reject},
		{"NotInTheGroup", s.notInTheGroup},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.do(t, call) }) {
			return
		}
	}
	var alive []string
	if s.do(t, order{Do: "alive"}, &alive); len(alive) > 0 {
		t.Errorf("text from a manifest or an argument ran as a script: %q", alive)
	}
}

// comment is hostile text that stands in the manifest beside the change.
const comment = "# ``` <img src=y onerror=alert(4)> **approved** [b](javascript:alert(5)) | \u202egnp"

// hostile is the state of an instance whose manifest of production/api has
// such a comment, which the diff shows.
func hostile(t *testing.T) string {
	t.Helper()
	files := map[string][]byte{}
	seed := os.DirFS(filepath.Join(root, "dev", "instance", "seed"))
	err := fs.WalkDir(seed, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[name], err = fs.ReadFile(seed, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	const target, line = "production/api.yaml", "  replicas: 3\n"
	files[target] = bytes.Replace(files[target], []byte(line), []byte(line+"  "+comment+"\n"), 1)
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := gitops.Init(filepath.Join(dir, "demo.git"), "main", files); err != nil {
		t.Fatal(err)
	}
	return dir
}

// submit has deploy-bot ask to scale a deployment of production to 5.
func (s *story) submit(t *testing.T, name string) client.Call {
	t.Helper()
	call, err := s.bot.Submit(t.Context(), client.Submission{
		Tool: "gitops_scale_deployment", Arguments: fmt.Appendf(nil, `{"environment": "production", "name": %q, "replicas": 5}`, name),
		Reason: words, Session: strings.Repeat("<b>long</b>", 18), Task: "[a link](http://evil.example/)", Wait: time.Minute,
	})
	if err != nil || call.State != sallyport.StateAwaitingApproval {
		t.Fatalf("the call is %s: %v", call.State, err)
	}
	return call
}

// logIn opens the link from the call, and gets there by way of the identity
// provider.
func (s *story) logIn(t *testing.T, call client.Call) {
	var at string
	s.do(t, order{Do: "open", As: "bob", URL: call.Links.Approve, Login: "1-log-in"}, &at)
	if at != call.Links.Approve {
		t.Errorf("bob opened %s and is at %s", call.Links.Approve, at)
	}
}

// savedView opens the list of what waits as the README links it.
func (s *story) savedView(t *testing.T, call client.Call) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\(http://127\.0\.0\.1:8233(/namespaces/default/workflows\?query=[^)]+)\)`).FindSubmatch(readme)
	if link == nil {
		t.Fatal("the README links no list of what waits for approval")
	}
	read, err := s.bot.Submit(t.Context(), client.Submission{
		Tool: "gitops_get_manifest", Arguments: []byte(`{"environment": "staging", "name": "api"}`), Wait: time.Minute,
	})
	if err != nil || read.State != sallyport.StateSucceeded {
		t.Fatalf("a call that needs no approval is %s: %v", read.State, err)
	}
	s.do(t, order{Do: "open", As: "bob", URL: s.instance.Info().TemporalUI + string(link[1])}, nil)
	var listed string
	s.do(t, order{Do: "listed", As: "bob", ID: "call-" + call.ID}, &listed)
	if strings.Contains(listed, read.ID) {
		t.Errorf("a call that needs no approval is listed: %s", listed)
	}
	s.shot(t, "bob", "2-saved-view")
	s.do(t, order{Do: "open", As: "bob", URL: call.Links.Approve}, nil)
}

// shows is what bob decides by.
func (s *story) shows(t *testing.T, call client.Call) {
	p := s.read(t, "bob", "current-details", "How to vote")
	s.shot(t, "bob", "3-waiting")
	for what, text := range map[string]string{
		"that it waits":          "Waiting for approval: 0 of 1",
		"the agent":              "deploy-bot (owner alice)",
		"the tool":               "gitops_scale_deployment",
		"the target":             "production/api",
		"the diff":               "-  replicas: 3\n+  replicas: 5\n   " + strings.ReplaceAll(comment, "\u202e", `\u{202e}`) + "\n",
		"policy's reason":        call.Decision.Reasons[0].Code + ": " + call.Decision.Reasons[0].Message,
		"the agent's words":      "Why the agent asks, in its own words (untrusted)\n" + shown + "\n",
		"its session":            "session: " + strings.Repeat("<b>long</b>", 18),
		"its task":               "task [a link](http://evil.example/)",
		"the arguments":          "Arguments\n{\n\"environment\": \"production\",\n\"name\": \"api\",\n\"replicas\": 5\n}\n",
		"the preconditions":      "What must still hold for the write\n{\n",
		"that the worker wrote":  "The worker wrote Current Details from the call that it verified.",
		"the terms":              "1 of sre",
		"the deadline":           call.Ballot.ExpiresAt.UTC().Format(time.RFC3339),
		"the ballot":             "ballot: " + string(call.Ballot.Digest),
		"the JSON to send":       paper(sallyport.Approve, string(call.Ballot.Digest)),
		"how to send it":         "Choose More Actions, Send a Signal, approve",
		"that one no is the end": "One no ends the call.",
	} {
		if !strings.Contains(squeezed(p.Text), squeezed(text)) {
			t.Errorf("the page does not show %s, %q:\n%s", what, text, p.Text)
		}
	}
	wantInert(t, p)
}

// squeezed is text without its empty lines, and with a tab as a space: they
// are how the page is laid out.
func squeezed(text string) string {
	text = strings.ReplaceAll(text, "\t", " ")
	return regexp.MustCompile(`\n\s*\n+`).ReplaceAllString(text, "\n")
}

// wantInert checks that the page shows the whole text, and as text alone.
func wantInert(t *testing.T, p page) {
	t.Helper()
	for _, e := range p.Elements {
		if !slices.Contains(plain, e) {
			t.Errorf("there is a %s element in what the page shows:\n%s", e, p.Text)
		}
	}
	if p.Hidden > 0 {
		t.Errorf("%d pixels are cut at the right:\n%s", p.Hidden, p.Text)
	}
}

// otherBallot: a vote for another ballot must not count, and bob is told.
func (s *story) otherBallot(t *testing.T, call client.Call) {
	other := "sha256:" + strings.Repeat("0", 64)
	s.vote(t, "bob", paper(sallyport.Approve, other), "4-other-ballot")
	s.refused(t, "bob", "other_ballot", "by bob: other_ballot this vote names another ballot; the open one is "+string(call.Ballot.Digest))
	s.shot(t, "bob", "5-did-not-count")
}

// owner: alice is in the group, but owns the agent.
func (s *story) owner(t *testing.T, call client.Call) {
	s.do(t, order{Do: "open", As: "alice", URL: call.Links.Approve, Login: "6-log-in-alice"}, nil)
	s.vote(t, "alice", s.pasted(t, "alice"), "7-alice")
	s.refused(t, "alice", "own_agent", "by alice: own_agent alice owns the agent deploy-bot")
	s.shot(t, "alice", "8-own-agent")
	s.do(t, order{Do: "leave", As: "alice"}, nil)
}

// others: an operator may look and not vote, and who has nothing to do with
// calls is not let in. Neither leaves anything in the call.
func (s *story) others(t *testing.T, call client.Call) {
	s.do(t, order{Do: "open", As: "olga", URL: call.Links.Approve, Login: "9-log-in-olga"}, nil)
	var status int
	s.do(t, order{Do: "vote", As: "olga", Input: s.pasted(t, "olga"), Shot: "10-olga"}, &status)
	if status != http.StatusForbidden {
		t.Errorf("olga's vote is answered with %d, want %d", status, http.StatusForbidden)
	}
	s.do(t, order{Do: "leave", As: "olga"}, nil)

	var seen string
	s.do(t, order{Do: "shutOut", As: "dave", URL: call.Links.Approve, Login: "11-log-in-dave"}, &seen)
	if strings.Contains(seen, "deploy-bot") || strings.Contains(seen, call.ID) {
		t.Errorf("dave is shown the call: %s", seen)
	}
	s.shot(t, "dave", "12-shut-out")
	s.do(t, order{Do: "leave", As: "dave"}, nil)
	s.refused(t, "bob", "own_agent", "by alice")
}

// vote sends a vote, which the Temporal server takes whatever it says.
func (s *story) vote(t *testing.T, who, input, shot string) {
	t.Helper()
	var status int
	s.do(t, order{Do: "vote", As: who, Input: input, Shot: shot}, &status)
	if status != http.StatusOK {
		t.Errorf("%s's signal is answered with %d, want %d", who, status, http.StatusOK)
	}
}

// refused waits until the page of one person says that a vote did not count, and why.
// The call still waits.
func (s *story) refused(t *testing.T, who, code, why string) {
	t.Helper()
	p := s.read(t, who, "current-details", code)
	for _, text := range []string{"the last vote that did not count was by ", ": " + code + " ", why, "Waiting for approval: 0 of 1"} {
		if !strings.Contains(p.Text, text) {
			t.Errorf("the page does not tell %s %q:\n%s", who, text, p.Text)
		}
	}
	wantInert(t, p)
}

// pasted is what the page gives people to paste.
func (s *story) pasted(t *testing.T, who string) string {
	t.Helper()
	p := s.read(t, who, "current-details", "How to vote")
	input := regexp.MustCompile(`\{"verdict".*\}`).FindString(p.Text)
	if input == "" {
		t.Fatalf("the page shows nothing to paste:\n%s", p.Text)
	}
	return input
}

// approve: bob sends what the page shows, and the agent gets what it wanted.
func (s *story) approve(t *testing.T, call client.Call) {
	input := strings.Replace(s.pasted(t, "bob"), `"reason": ""`, `"reason": "the <b>load</b> is real"`, 1)
	s.vote(t, "bob", input, "13-approve")
	p := s.read(t, "bob", "current-details", "Ended: succeeded")
	if want := "bob: approve by temporal-principal the <b>load</b> is real"; !strings.Contains(p.Text, want) {
		t.Errorf("the page does not say %q:\n%s", want, p.Text)
	}
	wantInert(t, p)
	s.shot(t, "bob", "14-succeeded")
	s.ended(t, call.ID, sallyport.StateSucceeded, sallyport.Approve)
	if n := s.commits(t, call.ID); n != 1 {
		t.Errorf("the call made %d commits, want 1", n)
	}
}

// reject: one no ends a call, and nothing happens.
func (s *story) reject(t *testing.T, _ client.Call) {
	call := s.submit(t, "worker")
	s.do(t, order{Do: "open", As: "bob", URL: call.Links.Approve}, nil)
	input := strings.Replace(s.pasted(t, "bob"), `"approve"`, `"reject"`, 1)
	s.vote(t, "bob", input, "15-reject")
	p := s.read(t, "bob", "current-details", "Ended: rejected")
	if want := "bob: reject by temporal-principal"; !strings.Contains(p.Text, want) {
		t.Errorf("the page does not say %q:\n%s", want, p.Text)
	}
	s.shot(t, "bob", "16-rejected")
	s.ended(t, call.ID, sallyport.StateRejected, sallyport.Reject)
	if n := s.commits(t, call.ID); n != 0 {
		t.Errorf("the call made %d commits, want none", n)
	}
}

// notInTheGroup: bob may signal, but policy asks others now.
func (s *story) notInTheGroup(t *testing.T, _ client.Call) {
	path := s.instance.Path(filepath.Join("policies", "data.yaml"))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.ReplaceAll(string(text), "groups: [sre]", "groups: [dev]")
	if err := os.WriteFile(path, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	instancetest.Await(t, "the policy is loaded again", func() bool { return strings.Count(s.instance.Log(), `msg="policy loaded"`) > 1 })
	call := s.submit(t, "worker")
	s.do(t, order{Do: "open", As: "bob", URL: call.Links.Approve}, nil)
	s.vote(t, "bob", s.pasted(t, "bob"), "17-not-in-the-group")
	s.refused(t, "bob", "not_eligible", "dev")
	s.shot(t, "bob", "18-not-eligible")
}

// ended checks that a call has ended in a state, by bob's vote in the UI alone.
func (s *story) ended(t *testing.T, id string, state sallyport.State, verdict sallyport.Verdict) {
	t.Helper()
	call, err := s.bot.Get(t.Context(), id, time.Minute)
	if err != nil || call.State != state {
		t.Fatalf("the call is %s, want %s: %v", call.State, state, err)
	}
	votes := call.Ballot.Votes
	if len(votes) != 1 || votes[0].Person != "bob" || votes[0].Verdict != verdict || votes[0].Evidence != sallyport.TemporalPrincipal {
		t.Errorf("these votes counted: %+v; want bob's alone, by %s", votes, sallyport.TemporalPrincipal)
	}
}

// commits counts the commits that say that they are a call's.
func (s *story) commits(t *testing.T, id string) int {
	t.Helper()
	repo, err := git.PlainOpen(s.instance.Path("demo.git"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := repo.Log(&git.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := log.ForEach(func(c *object.Commit) error {
		n += strings.Count(c.Message, "Sallyport-Call: "+id)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// paper is a vote as the page gives it to be sent.
func paper(verdict sallyport.Verdict, ballot string) string {
	return fmt.Sprintf(`{"verdict": %q, "ballot": %q, "reason": ""}`, verdict, ballot)
}
