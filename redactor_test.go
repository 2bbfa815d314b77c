package sallyport_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
)

// write sets every text below a value.
func write(v reflect.Value, text string) {
	switch v.Kind() { //nolint:exhaustive // the others hold no text
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		write(v.Elem(), text)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				write(v.Field(i), text)
			}
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(`["` + text + `"]`))
			return
		}
		if v.Type().Elem().Kind() != reflect.Uint8 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			write(v.Index(0), text)
		}
	case reflect.String:
		v.SetString(text)
	}
}

// places lists the members of a document in which a text stands.
func places(path string, v any, text string) []string {
	var found []string
	switch v := v.(type) {
	case map[string]any:
		for name, below := range v {
			found = append(found, places(strings.TrimPrefix(path+"."+name, "."), below, text)...)
			if strings.Contains(name, text) {
				found = append(found, path)
			}
		}
	case []any:
		for _, below := range v {
			found = append(found, places(path, below, text)...)
		}
	case string:
		if strings.Contains(v, text) {
			found = append(found, path)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// TestRedactorEntry: whatever text an entry has, it is scrubbed, unless it is
// listed here as one that no tool, policy or agent can put a quote in, or that the
// gateway works by. A new member of an entry fails here until it has its place.
func TestRedactorEntry(t *testing.T) {
	const secret = "a_secret_code"
	want := map[string][]string{
		"call": {
			"account.issuer", "account.subject", "agent_id", "arguments.name", "body", "id", "same", "tool", "traceparent",
		},
		"intent": {
			"action", "agent.account.issuer", "agent.account.subject", "agent.groups", "agent.id", "agent.owner", "arguments.name", "call_id", "name", "namespace",
			"resource", "tool.digest", "tool.image", "tool.name",
		},
		"decision": { // terms are compared with those that hold when the call runs
			"approval.evidence", "approval.groups", "effect", "input", "obligations.redact", "revision",
		},
		"plan":    {"preconditions"}, // a plan whose preconditions quote a secret is refused
		"ballot":  {"call_id", "intent", "nonce", "plan", "run_id", "terms.evidence", "terms.groups"},
		"vote":    {"account.issuer", "account.subject", "ballot", "evidence.class", "evidence.token", "groups", "key", "person", "verdict"},
		"refusal": {"account.issuer", "account.subject", "evidence.class", "evidence.token"},
		"drift":   nil,
		"start":   {"ballot", "effect", "image", "intent", "people", "place", "plan", "revision", "runner"},
		"placed":  {"image", "place", "uid"},
		"stop":    {"by", "freeze"},
		"outcome": {"place", "state"},
		"erasure": {"by", "reason"},                                     // a person's, after the end
		"freeze":  {"agent", "by", "id", "namespace", "reason", "tool"}, // of no call
		"lift":    {"by"},
		"known":   nil,
	}
	call := sallyport.Call{Arguments: json.RawMessage(`{"name":"` + secret + `","token":"` + secret + `"}`), Redact: []string{"/token"}, Seal: []byte("seal")}
	redactor := sallyport.NewRedactor(call, sallyport.Redaction{Arguments: call.Redact}, sallyport.Obligations{})
	kinds := map[string]sallyport.EntryKind{"call": sallyport.EntryReceived}
	for member := range want {
		if member != "call" {
			kinds[member] = sallyport.EntryKind(member)
		}
	}
	typ := reflect.TypeFor[sallyport.Entry]()
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Type.Kind() != reflect.Pointer {
			continue
		}
		member, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if _, ok := want[member]; !ok {
			t.Errorf("this test does not know the member %s of entries", member)
			continue
		}
		e := sallyport.Entry{Kind: kinds[member]}
		write(reflect.ValueOf(&e).Elem().Field(i), secret)
		if e.Call != nil {
			e.Call.Arguments, e.Call.Redact, e.Call.Seal = call.Arguments, call.Redact, call.Seal
		}
		if e.Intent != nil {
			e.Intent.Arguments, e.Intent.Seal, e.Intent.Redact = call.Arguments, call.Seal, sallyport.Redaction{Arguments: call.Redact}
		}
		b, err := json.Marshal(redactor.Entry(e))
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]any
		if err := json.Unmarshal(b, &members); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want[member], places("", members[member], secret)); d != "" {
			t.Errorf("of an entry of kind %s (-want +got)\n%s", e.Kind, d)
		}
	}
}

// TestRedactorCodes: the gateway works by its own codes, and they are no quotes.
func TestRedactorCodes(t *testing.T) {
	call := sallyport.Call{Arguments: json.RawMessage(`{"token":["drift","mypassword"]}`), Redact: []string{"/token"}, Seal: []byte("seal")}
	r := sallyport.NewRedactor(call, sallyport.Redaction{Arguments: call.Redact}, sallyport.Obligations{})
	for code, want := range map[string]string{"drift": "drift", "mypassword": "[redacted]", "drifted": "[redacted]ed"} {
		e := r.Entry(sallyport.Entry{Kind: sallyport.EntryOutcome, Outcome: &sallyport.Outcome{Error: &sallyport.Failure{Code: code}}})
		if got := e.Outcome.Error.Code; got != want {
			t.Errorf("the code %s becomes %s, want %s", code, got, want)
		}
	}
}

// TestKeptResult: of the result of a tool with redacted arguments nothing is
// recorded but what its manifest keeps.
func TestKeptResult(t *testing.T) {
	call := sallyport.Call{Arguments: json.RawMessage(`{"token":"correct horse"}`), Redact: []string{"/token"}, Seal: []byte("seal")}
	document := json.RawMessage(`{"id":7,"list":[{"a":1,"b":"esroh tcerroc"},"x"],"said":"correct horse","secret":"x"}`)
	for reason, tt := range map[string]struct {
		call sallyport.Call
		r    sallyport.Redaction
		want string
	}{
		"nothing by itself":           {call, sallyport.Redaction{}, `"[redacted]"`},
		"nothing that is not there":   {call, sallyport.Redaction{KeepResult: []string{"/nothing", "/id/x", "/list/9"}}, `"[redacted]"`},
		"members and elements":        {call, sallyport.Redaction{KeepResult: []string{"/id", "/list/0/a"}}, `{"id":7,"list":[{"a":1},"[redacted]"]}`},
		"searched for what is quoted": {call, sallyport.Redaction{KeepResult: []string{"/said"}}, `{"said":"[redacted]"}`},
		"what is redacted beside":     {call, sallyport.Redaction{KeepResult: []string{"/id", "/secret"}, Result: []string{"/secret"}}, `{"id":7,"secret":"[redacted]"}`},
		"all without such arguments":  {sallyport.Call{}, sallyport.Redaction{Result: []string{"/secret"}}, `{"id":7,"list":[{"a":1,"b":"esroh tcerroc"},"x"],"said":"correct horse","secret":"[redacted]"}`},
		"from the ledger":             {call.Redacted(), sallyport.Redaction{KeepResult: []string{"/id"}}, `{"id":7}`},
	} {
		e := sallyport.Entry{Kind: sallyport.EntryOutcome, Outcome: &sallyport.Outcome{Result: document}}
		got := sallyport.NewRedactor(tt.call, tt.r, sallyport.Obligations{}).Entry(e).Outcome.Result
		if string(got) != tt.want {
			t.Errorf("%s: %s, want %s", reason, got, tt.want)
		}
	}
	none := sallyport.Entry{Kind: sallyport.EntryOutcome, Outcome: &sallyport.Outcome{}}
	if got := sallyport.NewRedactor(call, sallyport.Redaction{}, sallyport.Obligations{}).Entry(none).Outcome.Result; got != nil {
		t.Errorf("where there is no result it is %s", got)
	}
}
