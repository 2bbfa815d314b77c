package opa_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/sallyport/sallyport/adapters/opa"
	"github.com/sallyport/sallyport/policies"
)

// refused loads a policy that must be bad, and returns why it is.
func refused(t *testing.T, o opa.Options) string {
	t.Helper()
	o.Logger = newLogger(make(log, 16))
	e, err := opa.New(t.Context(), o)
	if err == nil {
		t.Fatal("the policy was loaded")
	}
	if e.Ready() == nil {
		t.Fatal("the engine is ready")
	}
	return err.Error()
}

func TestBadPolicies(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		want  string
	}{
		"Syntax":         {map[string]string{"bad.rego": "package x\n\nallow {"}, "bad.rego:3: "},
		"OnlyComments":   {map[string]string{"bad.rego": "# nothing"}, "bad.rego:1: "},
		"UnusedVariable": {map[string]string{"bad.rego": "package x\n\np if {\n\ta := 1\n}"}, "bad.rego:4: assigned var a unused"},
		"UnknownName":    {map[string]string{"bad.rego": "package x\n\np := q"}, "bad.rego:3: var q is unsafe"},
		"UnknownFunc":    {map[string]string{"bad.rego": "package x\n\np := no.such(1)"}, "bad.rego:3: undefined function no.such"},
		"OldRego":        {map[string]string{"bad.rego": "package x\n\np { true }"}, "bad.rego:3: "},
		"Conflict":       {map[string]string{"bad.rego": "package sallyport\n\ndefault visible := true"}, "multiple default rules data.sallyport.visible"},
		"Recursion":      {map[string]string{"bad.rego": "package x\n\np if q\n\nq if p"}, "bad.rego:3: rule data.x.p is recursive"},
		"NoDecision":     {map[string]string{"decision.rego": ""}, "data.sallyport.decision is not defined"},
		"NoVisible":      {map[string]string{"grants.rego": "package sallyport\n\ngranted := false\n\ngrants := set()"}, "data.sallyport.visible is not defined"},
		"NoApprover":     {map[string]string{"approver.rego": ""}, "data.sallyport.approver is not defined"},
		"ShadowedRule":   {map[string]string{"sallyport/data.yaml": "decision: {effect: allow, reasons: []}"}, "conflicting rule for data path sallyport/decision"},
		"YAMLSyntax":     {map[string]string{"limits/data.yaml": "calls_per_minute: 1\n  same: ["}, "limits/data.yaml:2: "},
		"YAMLDuplicate":  {map[string]string{"limits/data.yaml": "a: 1\na: 2"}, `limits/data.yaml:2: mapping key "a" already defined`},
		"YAMLList":       {map[string]string{"limits/data.yaml": "- 1"}, "limits/data.yaml:1: "},
		"YAMLNotJSON":    {map[string]string{"limits/data.yaml": "a: .nan"}, "limits/data.yaml:1: "},
		"JSONSyntax":     {map[string]string{"more.json": "{\n\"a\": 1,\n}"}, "more.json:"},
		"JSONDuplicate":  {map[string]string{"more.json": "{\n\"a\": 1,\n\"a\": 2}"}, "more.json:"},
		"JSONList":       {map[string]string{"more.json": "[]"}, "more.json:1: data must be an object"},
		"SaidTwice":      {map[string]string{"more.yaml": "limits: {calls_per_minute: 1}"}, "more.yaml:1: limits.calls_per_minute is in another data file too"},
		"WrongData":      {map[string]string{"limits/data.yaml": "calls_per_minute: many"}, "data.limits.calls_per_minute must be a whole number"},
		"MissingData":    {map[string]string{"limits/data.yaml": ""}, "data.limits.same_write_per_hour must be a whole number"},
		"WrongTimezone":  {map[string]string{"business_hours/data.yaml": "{timezone: Europe/Bärlin, days: [Monday], start: 8, end: 18}"}, "Europe/Bärlin"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := refused(t, opa.Options{Embedded: policyFS(t, tt.files)}); !strings.Contains(got, tt.want) {
				t.Errorf("refused because of %q, want %q in it", got, tt.want)
			}
		})
	}
}

// TestPoliciesThatTrustNothing: a policy that allows unknown input is
// not loaded.
func TestPoliciesThatTrustNothing(t *testing.T) {
	for name, tt := range map[string]struct{ old, with, want string }{
		"Allows":        {`"effect": "deny", "reasons": [{"code": "no", "message": "no"}]`, `"effect": "allow", "reasons": []`, "data.sallyport.decision decides allow for an empty input"},
		"Shows":         {`visible := false`, `visible := true`, "data.sallyport.visible is true for an empty input"},
		"CountsAnyVote": {`approver := [{"code": "no", "message": "no"}]`, `approver := []`, "data.sallyport.approver has no objection"},
		"GarbageByRule": {`"effect": "deny"`, `"effect": "no"`, "data.sallyport.decision has no result for an empty input"},
	} {
		t.Run(name, func(t *testing.T) {
			got := refused(t, opa.Options{Embedded: tinyFSOf(strings.Replace(tiny, tt.old, tt.with, 1))})
			if !strings.Contains(got, tt.want) {
				t.Errorf("refused because of %q, want %q in it", got, tt.want)
			}
		})
	}
}

// TestBannedBuiltins tries every built-in function that could make a decision
// depend on more than its input, directly and in place of another.
func TestBannedBuiltins(t *testing.T) {
	names := []string{
		"http.send", "net.lookup_ip_addr", "opa.runtime", "rand.intn", "time.now_ns", "uuid.rfc4122", "json.match_schema",
		"json.verify_schema", "crypto.x509.parse_and_verify_certificates", "io.jwt.decode_verify", "io.jwt.encode_sign", "trace",
	}
	builtins := map[string]*ast.Builtin{}
	for _, b := range ast.CapabilitiesForThisVersion().Builtins {
		builtins[b.Name] = b
		if b.Nondeterministic && !slices.Contains(names, b.Name) {
			names = append(names, b.Name)
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			b := builtins[name]
			if b == nil {
				t.Fatal("there is no such function (any more)")
			}
			call := fmt.Sprintf("%s(%s)", name, strings.Join(slices.Repeat([]string{"input.x"}, len(b.Decl.FuncArgs().Args)), ", "))
			if got := refused(t, opa.Options{Embedded: tinyFS("p if " + call)}); !strings.Contains(got, "policy.rego:9: undefined function "+name) {
				t.Errorf("refused because of %q", got)
			}
			refused(t, opa.Options{Embedded: tinyFS("p := q with is_object as " + name + "\n\nq if is_object(input.x)")})
		})
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]opa.Options{
		"NoLogger":        {},
		"TwoSources":      {Logger: newLogger(nil), Dir: "x", Embedded: policies.FS()},
		"NegativeTimeout": {Logger: newLogger(nil), Timeout: -1},
		"NegativePoll":    {Logger: newLogger(nil), Poll: -1},
	} {
		if e, err := opa.New(t.Context(), o); err == nil || e != nil {
			t.Errorf("%s: New = %v, %v; want it refused", name, e, err)
		}
	}
}

func TestNoDirectory(t *testing.T) {
	if got := refused(t, opa.Options{Dir: t.TempDir()}); !strings.Contains(got, "no file named *.rego") {
		t.Errorf("an empty directory is refused because of %q", got)
	}
	missing := t.TempDir() + "/missing"
	if got := refused(t, opa.Options{Dir: missing}); !strings.Contains(got, missing) {
		t.Errorf("a missing directory is refused because of %q, which doesn't name it", got)
	}
}

// TestRevision depends on names and contents of all that decides, and on
// nothing else.
func TestRevision(t *testing.T) {
	revision := func(files map[string]string) string {
		return newEngine(t, opa.Options{Embedded: policyFS(t, files)}).Revision()
	}
	base := revision(nil)
	for name, tt := range map[string]struct {
		files map[string]string
		same  bool
	}{
		"Same":   {nil, true},
		"Test":   {map[string]string{"call_test.rego": "package sallyport_test"}, true},
		"Manual": {map[string]string{"NOTES.md": "notes"}, true},
		"Rule":   {map[string]string{"more.rego": "package more\n\np := 1"}, false},
		"Data":   {map[string]string{"more.yaml": "more: 1"}, false},
	} {
		if got := revision(tt.files); (got == base) != tt.same {
			t.Errorf("%s: revision %s, before %s", name, got, base)
		}
	}
	if a, b := revision(map[string]string{"a.yaml": "more: 1"}), revision(map[string]string{"b.yaml": "more: 1"}); a == b {
		t.Error("the name of a file doesn't count")
	}
}
