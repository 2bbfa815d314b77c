package sallyport_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
)

func mark(string, []byte) string { return sallyport.RedactedMark }

func TestRedact(t *testing.T) {
	for _, tt := range []struct{ reason, document, want string }{
		{"a member", `{"a":"x","b":1}`, `{"a":"[redacted]","b":1}`},
		{"whatever it is", `{"a":{"deep":["x"]},"b":1e400}`, `{"a":"[redacted]","b":1e400}`},
		{"one that is not there", `{"b":12345678901234567890}`, `{"b":12345678901234567890}`},
		{"below, and in a list", `{"list":[0,{"c~d/e":"x"}],"b":"<&>"}`, `{"b":"<&>","list":[0,{"c~d/e":"[redacted]"}]}`},
		{"an object for a list", `{"list":{"1":"x","2":"y"}}`, `{"list":{"1":"[redacted]","2":"y"}}`},
		{"what is a text where something should be below", `{"list":"x"}`, `{"list":"[redacted]"}`},
		{"what is a number there", `{"list":[0,7]}`, `{"list":[0,"[redacted]"]}`},
		{"null has nothing below", `{"list":null}`, `{"list":null}`},
		{"what is no JSON goes as a whole", `{"a":"x`, `"[redacted]"`},
		{"and what is null is left out too", `{"a":null}`, `{"a":"[redacted]"}`},
	} {
		got := sallyport.Redact(json.RawMessage(tt.document), []string{"/a", "/list/1/c~0d~1e", "/list/7", "/list/-1"}, mark)
		if string(got) != tt.want {
			t.Errorf("%s: %s, want %s", tt.reason, got, tt.want)
		}
	}
	list := json.RawMessage(`{"customer":[{"birthday":"x"}],"other":1}`)
	if got := sallyport.Redact(list, []string{"/customer/birthday"}, mark); string(got) != `{"customer":"[redacted]","other":1}` {
		t.Errorf("a list in the place of an object is %s", got)
	}
	if got := sallyport.Redact(json.RawMessage(`{ "a": 1}`), nil, mark); string(got) != `{ "a": 1}` {
		t.Errorf("without a pointer it is %s", got)
	}
}

func TestValidPointer(t *testing.T) {
	for p, want := range map[string]bool{
		"/a": true, "/": true, "/a/0/~0~1": true, "": false, "a": false, "/~": false, "/~2": false, "/a~": false, "/" + strings.Repeat("a", 256): false,
	} {
		if got := sallyport.ValidPointer(p); got != want {
			t.Errorf("%q is valid: %t, want %t", p, got, want)
		}
	}
}

// TestRedactedCall: what is stored of a call and of its intent tells nothing of
// what is left out, and stands for it all the same.
func TestRedactedCall(t *testing.T) {
	call := func(secret, seal string) sallyport.Call {
		return sallyport.Call{
			ID: sallyport.CallID([16]byte{1}), Tool: "t", Arguments: json.RawMessage(`{"name":"api","token":` + secret + `}`),
			Redact: []string{"/token"}, Seal: []byte(seal),
		}
	}
	intent := func(c sallyport.Call) sallyport.Intent {
		return sallyport.Intent{CallID: c.ID, Arguments: c.Arguments, Redact: sallyport.Redaction{Arguments: c.Redact}, Seal: c.Seal}
	}
	whole := call(`"hunter2"`, "seal")
	stored := whole.Redacted()
	for _, v := range []any{stored, intent(whole).Redacted()} {
		b, err := json.Marshal(v)
		if err != nil || strings.Contains(string(b), "hunter2") || strings.Contains(string(b), `"seal"`) || !strings.Contains(string(b), `"api"`) {
			t.Errorf("%v, it is stored as %s", err, b)
		}
	}
	if d := cmp.Diff(stored, stored.Redacted()); d != "" {
		t.Errorf("what is redacted changes once more: %s", d)
	}
	digest := intent(whole).Digest()
	if intent(whole).Redacted().Digest() != digest {
		t.Error("an intent has another digest once it is stored")
	}
	for reason, other := range map[string]sallyport.Call{
		"another value": call(`"hunter3"`, "seal"), "another type": call(`["hunter2"]`, "seal"), "another seal": call(`"hunter2"`, "laes"),
		"what looks redacted": {ID: whole.ID, Tool: "t", Arguments: stored.Arguments, Redact: whole.Redact, Seal: whole.Seal},
	} {
		if intent(other).Digest() == digest {
			t.Errorf("%s has the same digest", reason)
		}
	}
	if got := whole.Secrets().Scrub("a hunter2"); got != "a [redacted]" || whole.Secrets().Lost() {
		t.Errorf("scrubbed it is %s", got)
	}
	if got := stored.Secrets().Scrub("a hunter2"); got != "a hunter2" || !stored.Secrets().Lost() {
		t.Errorf("without the value it is %s", got)
	}
	nested := call(`{"user":"bob","passwords":["long one","long"],"n":123456}`, "seal") // bob is too short to be looked for, and 123456 a number
	if got := nested.Secrets().Scrub("bob, 123456: a long one"); got != "bob, 123456: a [redacted]" {
		t.Errorf("scrubbed of values within it is %s", got)
	}
}
