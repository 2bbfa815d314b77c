package opa_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/opa"
)

func TestInput(t *testing.T) {
	q := question(t, planned("/spec/replicas", "5"), func(q *sallyport.Question) {
		q.Intent.Agent.Groups = []string{"bots"}
		q.Intent.Tool.Image = "registry.example.com/scale@sha256:00"
		q.Intent.Stated = sallyport.Stated{Reason: "load", Session: "s-42", Task: "t-7"}
		q.History = sallyport.History{CallsLastMinute: 1, CallsLastHour: 2, SameArgumentsLastHour: 3, DeniedLastHour: 4}
		q.Now = time.Date(2026, 11, 23, 12, 0, 0, 500_000_000, time.FixedZone("CET", 3600))
	})
	got, err := opa.Input(q)
	if err != nil {
		t.Fatal(err)
	}
	want := `{
 "action": "scale",
 "agent": {"groups": ["bots"], "id": "deploy-bot", "issuer": "https://agents.test", "owner": "alice"},
 "arguments": {"environment": "staging", "name": "api", "replicas": 5},
 "call": {"claimed": {"reason": "load", "session": "s-42", "task": "t-7"}, "id": "abcdefghijklmnopqrstuvwxya"},
 "history": {"calls_last_hour": 2, "calls_last_minute": 1, "denied_last_hour": 4, "same_arguments_last_hour": 3},
 "name": "api",
 "namespace": "staging",
 "plan": {"changes": [{"after": 5, "before": 3, "path": "/spec/replicas"}], "digest": "` + string(q.Plan.Digest()) + `"},
 "resource": "deployment",
 "time": "2026-11-23T11:00:00.5Z",
 "tool": {"destructive": false, "digest": "` + string(sallyport.NewDigest("test")) + `", "image": "registry.example.com/scale@sha256:00", "name": "gitops_scale_deployment", "read_only": false}
}`
	if d := cmp.Diff(decoded(t, []byte(want)), decoded(t, encoded(t, got))); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestInputOfNothing(t *testing.T) {
	got, err := opa.Input(sallyport.Question{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	doc, ok := decoded(t, encoded(t, got)).(map[string]any)
	if !ok || doc["plan"] != nil || doc["arguments"] != nil {
		t.Errorf("plan %v, arguments %v; want null", doc["plan"], doc["arguments"])
	}
	if image, ok := doc["tool"].(map[string]any)["image"].(string); !ok || image != "" { //nolint:forcetypeassert // a panic fails the test as well
		t.Errorf("image %v; want an empty one, so that rules need no case for none", image)
	}
	groups := doc["agent"].(map[string]any)["groups"] //nolint:forcetypeassert // a panic fails the test as well
	if list, ok := groups.([]any); !ok || len(list) != 0 {
		t.Errorf("groups %v; want an empty list, so that rules need no case for null", groups)
	}
}

func TestInputThatCannotBeJudged(t *testing.T) {
	for name, tt := range map[string]struct {
		question sallyport.Question
		kind     sallyport.Kind
	}{
		"NoTime":        {question(t, at(time.Time{})), sallyport.Internal},
		"NoJSON":        {question(t, arguments(`{"replicas":`)), sallyport.Invalid},
		"DuplicateName": {question(t, arguments(`{"replicas":50,"replicas":5}`)), sallyport.Invalid},
		"TrailingData":  {question(t, arguments(`{"replicas":5}{}`)), sallyport.Invalid},
		"PlanNoJSON":    {question(t, planned("/spec", "{")), sallyport.Invalid},
		"PlanOverflow":  {question(t, planned("/spec/replicas", "1e999")), sallyport.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := newEngine(t, opa.Options{}).Decide(t.Context(), tt.question)
			if sallyport.KindOf(err) != tt.kind || d.Effect != "" {
				t.Errorf("Decide = %+v, %v; want no decision, %s", d, err, tt.kind)
			}
		})
	}
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decoded(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestNumbersAreExact: a number within ±(2^53-1) is an integer to a policy, in
// the input and in the data, so that a rule can compare it as text.
func TestNumbersAreExact(t *testing.T) {
	fsys := tinyFSOf(strings.Replace(tiny, "default decision := ", `decision := {"effect": "deny", "reasons": [{"code": "numbers", "message": text}]} if {
	text := sprintf("%d %d %v %d %v %d", [input.arguments.replicas, input.arguments.least, input.arguments.share, input.plan.changes[0].after, data.cap, data.json])
}

default decision := `, 1))
	fsys["data.yaml"] = &fstest.MapFile{Data: []byte("cap: 1234567\n")}
	fsys["more.json"] = &fstest.MapFile{Data: []byte(`{"json": 9007199254740991}`)}
	q := question(t, planned("/spec/replicas", "1000000"), arguments(`{"replicas":1234567,"least":-9007199254740991,"share":0.5}`))
	d, err := newEngine(t, opa.Options{Embedded: fsys}).Decide(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := d.Reasons[0].Message, "1234567 -9007199254740991 0.5 1000000 1234567 9007199254740991"; got != want {
		t.Errorf("policy sees %s, want %s", got, want)
	}
}

// TestDaysOfData: a day in a policy's data is the text that its rules compare.
func TestDaysOfData(t *testing.T) {
	fsys := tinyFSOf(strings.Replace(tiny, `"message": "no"}]}`, `"message": "no"}]}

decision := {"effect": "allow", "reasons": []} if {
	input.action == "scale"
	not substring(input.time, 0, 10) in data.days
}`, 1))
	fsys["data.yaml"] = &fstest.MapFile{Data: []byte("days: [2026-11-23]\n")}
	engine := newEngine(t, opa.Options{Embedded: fsys})
	for day, want := range map[time.Time]sallyport.Effect{noon: sallyport.Deny, noon.AddDate(0, 0, 1): sallyport.Allow} {
		d, err := engine.Decide(t.Context(), question(t, at(day)))
		if err != nil || d.Effect != want {
			t.Errorf("%s: %s, %v; want %s", day.Format(time.DateOnly), d.Effect, err, want)
		}
	}
}
