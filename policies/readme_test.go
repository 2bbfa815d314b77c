package policies_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/opa"
)

// TestREADME holds the documents of the manual against those that the gateway
// makes: the same members, of the same types.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var documents []any
	for _, block := range strings.Split(string(readme), "```json\n")[1:] {
		var doc any
		text, _, _ := strings.Cut(block, "```")
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		documents = append(documents, doc)
	}
	if len(documents) != 3 {
		t.Fatalf("%d JSON documents, want 3: input, answer and input of a vote", len(documents))
	}
	intent := sallyport.Intent{
		Arguments: json.RawMessage(`{"environment":"staging","name":"api","replicas":5}`),
	}
	input, err := opa.Input(sallyport.Question{
		Intent: intent,
		Plan:   &sallyport.Plan{Changes: []sallyport.Change{{Before: json.RawMessage("3"), After: json.RawMessage("5")}}},
		Now:    time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	intent.Arguments = json.RawMessage("{}")
	vote, err := opa.VoteInput(sallyport.VoteQuestion{
		Person: sallyport.Person{Groups: []string{"sre"}},
		Intent: intent,
		Decision: sallyport.Decision{Approval: &sallyport.Terms{
			Groups: []string{"sre"}, Evidence: []sallyport.EvidenceClass{sallyport.IDPSigned},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]any{"Decision": {input, documents[0]}, "Vote": {vote, documents[2]}} {
		if d := cmp.Diff(shape(t, pair[0]), shape(t, pair[1])); d != "" {
			t.Errorf("%s: the README differs from what the gateway makes (-gateway +README)\n%s", name, d)
		}
	}
}

// shape lists every member of a document with its type.
func shape(t *testing.T, doc any) []string {
	t.Helper()
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	members := map[string]bool{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		members[fmt.Sprintf("%s %T", path, v)] = true
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				walk(path+"/"+k, e)
			}
		case []any:
			for _, e := range v {
				walk(path+"/*", e)
			}
		}
	}
	walk("", v)
	return slices.Sorted(maps.Keys(members))
}
