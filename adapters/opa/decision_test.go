package opa_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/opa"
)

const (
	why       = `"reasons": [{"code": "x", "message": "y"}]`
	goodTerms = `"approval": {"groups": ["sre"], "quorum": 1, "ttl_seconds": 3600, "evidence": ["idp-signed"]}`
)

// TestGarbageIsNoDecision: an answer that is not exactly of the documented
// form allows nothing.
func TestGarbageIsNoDecision(t *testing.T) {
	terms := func(old, with string) string {
		return `{"effect": "ask", ` + why + `, ` + strings.Replace(goodTerms, old, with, 1) + `}`
	}
	for name, tt := range map[string]struct{ answer, want string }{
		"Boolean":           {`true`, "must be an object"},
		"Word":              {`"allow"`, "must be an object"},
		"List":              {`[{"effect": "allow", "reasons": []}]`, "must be an object"},
		"Empty":             {`{}`, "reasons is missing"},
		"NoEffect":          {`{"reasons": []}`, "none of allow, ask and deny"},
		"UnknownEffect":     {`{"effect": "permit", "reasons": []}`, "none of allow, ask and deny"},
		"EffectInCapitals":  {`{"effect": "ALLOW", "reasons": []}`, "none of allow, ask and deny"},
		"EffectIsList":      {`{"effect": ["allow"], "reasons": []}`, "/effect"},
		"EffectIsNull":      {`{"effect": null, "reasons": []}`, "none of allow, ask and deny"},
		"UnknownMember":     {`{"effect": "allow", "reasons": [], "allow": true}`, "there is no such member"},
		"MemberInCapitals":  {`{"Effect": "allow", "reasons": []}`, "there is no such member"},
		"AllowWithReasons":  {`{"effect": "allow", ` + why + `}`, "reasons against"},
		"AllowWithTerms":    {`{"effect": "allow", "reasons": [], ` + goodTerms + `}`, "and yet there are approval terms"},
		"DenyWithTerms":     {`{"effect": "deny", ` + why + `, ` + goodTerms + `}`, "and yet there are approval terms"},
		"DenyWithoutReason": {`{"effect": "deny", "reasons": []}`, "without a reason"},
		"ReasonsIsNull":     {`{"effect": "allow", "reasons": null}`, "reasons is missing"},
		"ReasonIsWord":      {`{"effect": "deny", "reasons": ["no"]}`, "/reasons/0"},
		"ReasonWithoutCode": {`{"effect": "deny", "reasons": [{"message": "y"}]}`, "reason code"},
		"ReasonCodeIsText":  {`{"effect": "deny", "reasons": [{"code": "No!", "message": "y"}]}`, "reason code"},
		"ReasonNoMessage":   {`{"effect": "deny", "reasons": [{"code": "x"}]}`, "no message"},
		"ManyReasons":       {`{"effect": "deny", "reasons": [r | some i in numbers.range(1, 101); r := {"code": "x", "message": sprintf("%d", [i])}]}`, "more than 100"},
		"AskWithoutTerms":   {`{"effect": "ask", ` + why + `}`, "no approval terms"},
		"AskWithNullTerms":  {`{"effect": "ask", ` + why + `, "approval": null}`, "no approval terms"},
		"AskWithoutReason":  {`{"effect": "ask", "reasons": [], ` + goodTerms + `}`, "without a reason"},
		"NoGroups":          {terms(`["sre"]`, `[]`), "approval.groups"},
		"NullGroups":        {terms(`["sre"]`, `null`), "approval.groups"},
		"EmptyGroup":        {terms(`["sre"]`, `["sre", ""]`), "approval.groups"},
		"GroupsIsWord":      {terms(`["sre"]`, `"sre"`), "/approval/groups"},
		"NoQuorum":          {terms(`"quorum": 1, `, ``), "approval.quorum"},
		"ZeroQuorum":        {terms(`"quorum": 1`, `"quorum": 0`), "approval.quorum"},
		"NegativeQuorum":    {terms(`"quorum": 1`, `"quorum": -1`), "approval.quorum"},
		"HalfQuorum":        {terms(`"quorum": 1`, `"quorum": 0.5`), "/approval/quorum"},
		"QuorumIsWord":      {terms(`"quorum": 1`, `"quorum": "1"`), "/approval/quorum"},
		"NoTime":            {terms(`3600`, `0`), "approval.ttl_seconds"},
		"TooMuchTime":       {terms(`3600`, `604801`), "approval.ttl_seconds"},
		"NoEvidence":        {terms(`["idp-signed"]`, `[]`), "approval.evidence"},
		"UnknownEvidence":   {terms(`["idp-signed"]`, `["a-hunch"]`), "no class of evidence"},
		"UnknownTerm":       {terms(`"quorum"`, `"quorom": 2, "quorum"`), "there is no such member"},
		"UnknownObligation": {`{"effect": "allow", "reasons": [], "obligations": {"shred": 60}}`, "obligation"},
		"RedactIsNumber":    {`{"effect": "allow", "reasons": [], "obligations": {"redact": 60}}`, "obligations.redact"},
		"RedactsNothing":    {`{"effect": "allow", "reasons": [], "obligations": {"redact": []}}`, "obligations.redact"},
		"RedactsNoPointer":  {`{"effect": "allow", "reasons": [], "obligations": {"redact": ["/a", "data"]}}`, "obligations.redact"},
		"NullObligations":   {`{"effect": "allow", "reasons": [], "obligations": null}`, "obligations"},
		"ZeroTimeout":       {`{"effect": "allow", "reasons": [], "obligations": {"timeout_seconds": 0}}`, "timeout_seconds"},
		"NullTimeout":       {`{"effect": "allow", "reasons": [], "obligations": {"timeout_seconds": null}}`, "timeout_seconds"},
		"TimeoutIsWord":     {`{"effect": "allow", "reasons": [], "obligations": {"timeout_seconds": "60"}}`, "timeout_seconds"},
		"UnsignedImage":     {`{"effect": "allow", "reasons": [], "obligations": {"signed_image": false}}`, "signed_image"},
		"NullSignedImage":   {`{"effect": "allow", "reasons": [], "obligations": {"signed_image": null}}`, "signed_image"},
		"SignedImageIsWord": {`{"effect": "allow", "reasons": [], "obligations": {"signed_image": "true"}}`, "signed_image"},
		"HintIsList":        {`{"effect": "allow", "reasons": [], "hint": ["a"]}`, "/hint"},
		"RevisionIsNumber":  {`{"effect": "allow", "reasons": [], "revision": 1}`, "/revision"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, opa.Options{Embedded: tinyFS("decision := " + tt.answer + " if input.agent")})
			d, err := e.Decide(t.Context(), question(t))
			if sallyport.CodeOf(err) != "no_decision" || d.Effect != "" {
				t.Fatalf("Decide = %+v, %v; want no decision", d, err)
			}
			if cause := sallyport.AsError(err).Err; !strings.Contains(cause.Error(), tt.want) {
				t.Errorf("the reason is %q, want %q in it", cause, tt.want)
			}
		})
	}
}

func TestObligations(t *testing.T) {
	for text, want := range map[string]sallyport.Obligations{
		`{}`:                         {},
		`{"timeout_seconds": 60}`:    {TimeoutSeconds: 60},
		`{"signed_image": true}`:     {SignedImage: true},
		`{"redact": ["/a/0", "/b"]}`: {Redact: []string{"/a/0", "/b"}},
		`{"signed_image": true, "timeout_seconds": 1}`: {SignedImage: true, TimeoutSeconds: 1},
	} {
		e := newEngine(t, opa.Options{Embedded: tinyFS(`decision := {"effect": "allow", "reasons": [], "obligations": ` + text + `} if input.agent`)})
		if d, err := e.Decide(t.Context(), question(t)); err != nil || !cmp.Equal(d.Obligations, want) {
			t.Errorf("%s is read as %+v, %v", text, d.Obligations, err)
		}
	}
}

// A hint is for the agent, whatever the effect; it decides nothing.
func TestHint(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for text, want := range map[string]string{
		`{"effect": "allow", "reasons": []}`: "",
		`{"effect": "deny", "reasons": [{"code": "cap", "message": "m"}], "hint": "ask for at most 10"}`: "ask for at most 10",
		`{"effect": "deny", "reasons": [{"code": "cap", "message": "m"}], "hint": "` + long + `"}`:       long[:1024] + "…",
		`{"effect": "allow", "reasons": [], "hint": "read the manifest first"}`:                          "read the manifest first",
	} {
		e := newEngine(t, opa.Options{Embedded: tinyFS(`decision := ` + text + ` if input.agent`)})
		if d, err := e.Decide(t.Context(), question(t)); err != nil || d.Hint != want {
			t.Errorf("%.100s is read as %q, %v", text, d.Hint, err)
		}
	}
}

func TestUndefinedIsNoDecision(t *testing.T) {
	e := newEngine(t, opa.Options{Embedded: tinyFSOf(`package sallyport

decision := {"effect": "deny", "reasons": [{"code": "no", "message": "no"}]} if not input.agent

visible := false if not input.agent

approver := [{"code": "no", "message": "no"}] if not input.person
`)})
	if d, err := e.Decide(t.Context(), question(t)); sallyport.CodeOf(err) != "no_decision" {
		t.Errorf("Decide = %+v, %v; want no decision", d, err)
	}
	if ok, err := e.Visible(t.Context(), sallyport.Agent{}, sallyport.Tool{}); sallyport.CodeOf(err) != "no_decision" || ok {
		t.Errorf("Visible = %t, %v; want no decision", ok, err)
	}
	if reasons, err := e.DecideVote(t.Context(), sallyport.VoteQuestion{}); sallyport.CodeOf(err) != "no_decision" {
		t.Errorf("DecideVote = %v, %v; want no decision", reasons, err)
	}
}

func TestGarbageAboutVotesAndTools(t *testing.T) {
	for name, rules := range map[string]string{
		"Votes/null":    `approver := null if input.person`,
		"Votes/true":    `approver := true if input.person`,
		"Votes/word":    `approver := ["no"] if input.person`,
		"Votes/nothing": `approver := {} if input.person`,
		"Tools/null":    `visible := null if input.agent`,
		"Tools/number":  `visible := 1 if input.agent`,
		"Tools/word":    `visible := "true" if input.agent`,
	} {
		t.Run(name, func(t *testing.T) {
			policy := strings.Replace(tiny, "approver :=", "default approver :=", 1)
			e := newEngine(t, opa.Options{Embedded: tinyFSOf(policy + "\n" + rules)})
			_, voteErr := e.DecideVote(t.Context(), sallyport.VoteQuestion{Person: sallyport.Person{ID: "bob"}})
			visible, seeErr := e.Visible(t.Context(), sallyport.Agent{}, sallyport.Tool{})
			if err := map[bool]error{true: voteErr, false: seeErr}[strings.HasPrefix(name, "Votes")]; sallyport.CodeOf(err) != "no_decision" || visible {
				t.Errorf("error %v, visible %t; want no decision", err, visible)
			}
		})
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	e := newEngine(t, opa.Options{Embedded: tinyFS(`decision := {"effect": "deny", "reasons": [{"code": "x", "message": input.name}]} if input.agent`)})
	d, err := e.Decide(t.Context(), question(t, func(q *sallyport.Question) { q.Intent.Name = strings.Repeat("ö", 5000) }))
	if err != nil {
		t.Fatal(err)
	}
	if m := d.Reasons[0].Message; len(m) > 1100 || !strings.HasSuffix(m, "ö…") {
		t.Errorf("a message of %d bytes, ending in %q", len(m), m[len(m)-5:])
	}
}

// TestRevisionIsTheEngines: a policy can't pass for another.
func TestRevisionIsTheEngines(t *testing.T) {
	e := newEngine(t, opa.Options{Embedded: tinyFS(`decision := {"effect": "allow", "reasons": [], "revision": "forged"} if input.agent`)})
	d, err := e.Decide(t.Context(), question(t))
	if err != nil || d.Revision != e.Revision() || !sallyport.Digest(d.Revision).Valid() {
		t.Errorf("revision %q, %v; want %q", d.Revision, err, e.Revision())
	}
}
