package opa_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/opa"
	"github.com/sallyport/sallyport/policies"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/strict"
)

func TestDefaultPolicy(t *testing.T) {
	e := newEngine(t, opa.Options{})
	type change = func(*sallyport.Question)
	for name, tt := range map[string]struct {
		reason string
		change []change
		effect sallyport.Effect
		codes  []string
	}{
		"ReadStaging":        {"reads are free", []change{reading("get", "deployment")}, sallyport.Allow, nil},
		"ReadProduction":     {"there too", []change{reading("get", "deployment"), namespace("production")}, sallyport.Allow, nil},
		"ReaderReads":        {"that is its job", []change{reading("get", "deployment"), agent("triage-bot")}, sallyport.Allow, nil},
		"LogsStaging":        {"logs may be read here", []change{reading("logs", "pod")}, sallyport.Allow, nil},
		"LogsProduction":     {"they hold customers' data", []change{reading("logs", "pod"), namespace("production")}, sallyport.Deny, []string{"action_outside_environment"}},
		"Probe":              {"it is about no environment", []change{reading("probe", "url"), namespace("")}, sallyport.Allow, nil},
		"ScaleStaging":       {"within the cap", nil, sallyport.Allow, nil},
		"ScaleTooFar":        {"50 is over the cap", []change{arguments(`{"replicas":50}`)}, sallyport.Deny, []string{"replica_cap"}},
		"ScaleNegative":      {"-5 is below every cap", []change{arguments(`{"replicas":-5}`)}, sallyport.Deny, []string{"bad_replicas"}},
		"ScaleNull":          {"Rego sorts null before numbers", []change{arguments(`{"replicas":null}`)}, sallyport.Deny, []string{"bad_replicas", "bad_replicas"}},
		"ScaleFalse":         {"and false too", []change{arguments(`{"replicas":false}`)}, sallyport.Deny, []string{"bad_replicas", "bad_replicas"}},
		"ScaleFraction":      {"half a pod is none", []change{arguments(`{"replicas":2.5}`)}, sallyport.Deny, []string{"bad_replicas"}},
		"ScaleProduction":    {"people decide", []change{namespace("production")}, sallyport.Ask, []string{"production_write"}},
		"ScaleOnSunday":      {"production changes in business hours only", []change{namespace("production"), at(noon.Add(-24 * time.Hour))}, sallyport.Deny, []string{"outside_business_hours"}},
		"StagingOnSunday":    {"staging is always open", []change{at(noon.Add(-24 * time.Hour))}, sallyport.Allow, nil},
		"DeleteProduction":   {"two people decide", []change{deleting, namespace("production")}, sallyport.Ask, []string{"production_destructive"}},
		"ReaderWrites":       {"triage-bot only reads", []change{agent("triage-bot")}, sallyport.Deny, []string{"not_granted"}},
		"NoGrant":            {"an agent without a grant", []change{agent("other-bot"), reading("get", "deployment")}, sallyport.Deny, []string{"not_granted"}},
		"Secret":             {"never", []change{reading("get", "secret")}, sallyport.Deny, []string{"secret_resource", "unknown_resource"}},
		"SecretInCapitals":   {"never, however it is spelt", []change{reading("get", "SECRETS")}, sallyport.Deny, []string{"secret_resource", "unknown_resource"}},
		"NamespaceInCapital": {"production must not be spelt around", []change{namespace("Production")}, sallyport.Deny, []string{"not_granted", "unknown_namespace"}},
		"UnknownAction":      {"no rule knows it", []change{reading("exec", "pod")}, sallyport.Deny, []string{"risk_mismatch", "unknown_action"}},
		"Loop":               {"an agent that repeats itself", []change{func(q *sallyport.Question) { q.History.SameArgumentsLastHour = 20 }}, sallyport.Deny, []string{"repeated_call"}},
		"TooFast":            {"an agent that runs away", []change{func(q *sallyport.Question) { q.History.CallsLastMinute = 120 }}, sallyport.Deny, []string{"too_many_calls"}},
		"PlannedTooFar":      {"the plan says what would happen", []change{planned("/spec/replicas", "50")}, sallyport.Deny, []string{"replica_cap"}},
		"Planned":            {"the same within the cap", []change{planned("/spec/replicas", "5")}, sallyport.Allow, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := e.Decide(t.Context(), question(t, tt.change...))
			if err != nil {
				t.Fatal(err)
			}
			var codes []string
			for _, r := range d.Reasons {
				codes = append(codes, r.Code)
			}
			if d.Effect != tt.effect || !cmp.Equal(codes, tt.codes) {
				t.Errorf("%s %v, want %s %v: %s", d.Effect, d.Reasons, tt.effect, tt.codes, tt.reason)
			}
		})
	}
}

func planned(path, after string) func(*sallyport.Question) {
	return func(q *sallyport.Question) {
		q.Plan = &sallyport.Plan{
			Summary: "replicas", Preconditions: []byte(`{}`),
			Changes: []sallyport.Change{{Path: path, Before: []byte("3"), After: []byte(after)}},
		}
	}
}

func TestDecisionInFull(t *testing.T) {
	e := newEngine(t, opa.Options{})
	strong := []sallyport.EvidenceClass{sallyport.TemporalPrincipal, sallyport.IDPSigned}
	for name, tt := range map[string]struct {
		question sallyport.Question
		want     sallyport.Decision
	}{
		"Ask": {question(t, deleting, namespace("production")), sallyport.Decision{
			Effect:      sallyport.Ask,
			Reasons:     []sallyport.Reason{{Code: "production_destructive", Message: "a destructive action in production needs 2 approval(s) from: sre"}},
			Approval:    &sallyport.Terms{Groups: []string{"sre"}, Quorum: 2, TTLSeconds: 3600, Evidence: strong},
			Obligations: sallyport.Obligations{TimeoutSeconds: 60},
			Revision:    e.Revision(),
		}},
		"Deny": {question(t, arguments(`{"replicas":50}`)), sallyport.Decision{
			Effect:   sallyport.Deny,
			Reasons:  []sallyport.Reason{{Code: "replica_cap", Message: "50 replicas are more than the cap of 10 in staging"}},
			Revision: e.Revision(),
		}},
		"Allow": {question(t), sallyport.Decision{
			Effect:      sallyport.Allow,
			Reasons:     []sallyport.Reason{},
			Obligations: sallyport.Obligations{TimeoutSeconds: 60},
			Revision:    e.Revision(),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := e.Decide(t.Context(), tt.question)
			if err != nil {
				t.Fatal(err)
			}
			input, err := opa.Input(tt.question)
			if err != nil {
				t.Fatal(err)
			}
			b, err := strict.Canonical(input)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Input = sallyport.NewDigest("sallyport/input/v1", b)
			if diff := cmp.Diff(tt.want, d); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestDevelopmentIsAlwaysOpen(t *testing.T) {
	e := newEngine(t, opa.Options{Embedded: policies.Development()})
	night := at(time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC))
	busy := func(q *sallyport.Question) {
		q.History = sallyport.History{CallsLastMinute: 5000, CallsLastHour: 5000, SameArgumentsLastHour: 5000}
	}
	d, err := e.Decide(t.Context(), question(t, namespace("production"), night, busy))
	if err != nil || d.Effect != sallyport.Ask {
		t.Errorf("a write in production at night: %+v, %v; want ask", d, err)
	}
}

func TestConformance(t *testing.T) {
	sallyporttest.TestDecider(t, func(t *testing.T) sallyporttest.DeciderSubject {
		t.Helper()
		e := newEngine(t, opa.Options{})
		return sallyporttest.DeciderSubject{
			Decider: e, VoteDecider: e, Visibility: e,
			Allowed:  question(t, reading("get", "deployment")),
			Asked:    question(t, namespace("production")),
			Denied:   question(t, reading("get", "secret")),
			Voter:    sallyport.Person{ID: "bob", Groups: []string{"sre"}},
			Evidence: sallyport.APIAttested,
			Tool:     sallyport.Tool{Name: "gitops_get_manifest", ReadOnly: true},
		}
	})
}

func TestVisible(t *testing.T) {
	e := newEngine(t, opa.Options{})
	for _, tt := range []struct {
		agent    string
		readOnly bool
		want     bool
	}{
		{"deploy-bot", true, true}, {"deploy-bot", false, true}, {"triage-bot", true, true}, {"triage-bot", false, false}, {"other-bot", true, false},
	} {
		t.Run(fmt.Sprintf("%s/%t", tt.agent, tt.readOnly), func(t *testing.T) {
			got, err := e.Visible(t.Context(), sallyport.Agent{ID: tt.agent}, sallyport.Tool{Name: "x", ReadOnly: tt.readOnly})
			if err != nil || got != tt.want {
				t.Errorf("Visible = %t, %v; want %t", got, err, tt.want)
			}
		})
	}
}

// TestRunawayPolicyIsStopped: 10^9 steps take minutes.
func TestRunawayPolicyIsStopped(t *testing.T) {
	e := newEngine(t, opa.Options{Timeout: 100 * time.Millisecond, Embedded: tinyFS(`
decision := {"effect": "allow", "reasons": []} if {
	input.agent
	some i in numbers.range(1, 100000)
	some j in numbers.range(1, 10000)
	i * j == -1
}`)})
	begin := time.Now()
	d, err := e.Decide(t.Context(), question(t))
	if sallyport.CodeOf(err) != "no_decision" || d.Effect != "" {
		t.Errorf("Decide = %+v, %v; want no decision", d, err)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestBuiltinErrorIsNoDecision: "allow if not bad" would allow where bad can't
// be computed.
func TestBuiltinErrorIsNoDecision(t *testing.T) {
	e := newEngine(t, opa.Options{Embedded: tinyFS(`
decision := {"effect": "allow", "reasons": []} if {
	input.agent
	not bad
}

bad if to_number(input.name) > 10`)})
	d, err := e.Decide(t.Context(), question(t))
	if sallyport.KindOf(err) != sallyport.Unavailable || d.Effect != "" {
		t.Fatalf("Decide = %+v, %v; want no decision", d, err)
	}
	if strings.Contains(err.Error(), "to_number") {
		t.Errorf("the asker is shown the policy's inside: %v", err)
	}
	if why := sallyport.AsError(err).Err; why == nil || !strings.Contains(why.Error(), "policy.rego:15: to_number") {
		t.Errorf("operators are told %v; want file, line and reason", why)
	}
}

func TestNoDecisionIsLogged(t *testing.T) {
	lines := make(log, 16)
	e := newEngine(t, opa.Options{Logger: newLogger(lines), Embedded: tinyFS(`decision := 1 if input.agent`)})
	if _, err := e.Decide(t.Context(), question(t)); err == nil {
		t.Fatal("a number is a decision")
	}
	if got := lines.await(t, "no decision"); got["call_id"] != question(t).Intent.CallID || got["error"] == "" {
		t.Errorf("logged %v", got)
	}
}

func TestNotReady(t *testing.T) {
	e, err := opa.New(t.Context(), opa.Options{Logger: newLogger(make(log, 16)), Embedded: fstest.MapFS{"a.rego": {Data: []byte("package")}}})
	if err == nil {
		t.Fatal("half a package is a policy")
	}
	for name, err := range map[string]error{
		"Ready":      e.Ready(),
		"Decide":     second(e.Decide(t.Context(), question(t))),
		"DecideVote": second(e.DecideVote(t.Context(), sallyport.VoteQuestion{})),
		"Visible":    second(e.Visible(t.Context(), sallyport.Agent{}, sallyport.Tool{})),
	} {
		if sallyport.KindOf(err) != sallyport.Unavailable {
			t.Errorf("%s = %v; want unavailable", name, err)
		}
	}
	if e.Revision() != "" {
		t.Errorf("Revision = %q without a policy", e.Revision())
	}
}

func second[T any](_ T, err error) error { return err }

// many are arguments with as many items, of some tokens each, as a body may have.
func many(open, item, end string, tokens int) string {
	items := make([]string, (strict.DefaultLimits.Tokens-20)/tokens)
	for i := range items {
		items[i] = strings.ReplaceAll(item, "%d", strconv.Itoa(i))
	}
	return `{"replicas":5,"many":` + open + strings.Join(items, ",") + end + "}"
}

func BenchmarkDecide(b *testing.B) {
	e := newEngine(b, opa.Options{})
	for name, q := range map[string]sallyport.Question{
		"Allow": question(b, reading("get", "deployment")),
		"Ask":   question(b, namespace("production")),
		"Deny":  question(b, arguments(`{"replicas":50}`)),
		// As many values as the API takes, in the shapes that cost the most.
		"Numbers": question(b, arguments(many("[", "1", "]", 1))),
		"Names":   question(b, arguments(many("{", `"%d":1`, "}", 2))),
		"Objects": question(b, arguments(many("[", `{"a":1}`, "]", 4))),
		"Kinds":   question(b, arguments(many(`{"kind":[`, `"a"`, "]}", 1))),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Decide(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
