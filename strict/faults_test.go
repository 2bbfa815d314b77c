package strict_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/strict"
)

const document = `# A comment.
limits:
  running: 0
  agents: &agents
    - id: a
    - id: b
      groups:
        - sre
again: *agents
dotted.key: 1
`

func TestLine(t *testing.T) {
	var v map[string]any
	f, err := strict.Document("f.yaml", []byte(document), &v)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		reason string
		path   []string
		want   int
	}{
		"Nothing":     {"the document begins at its first key", nil, 2},
		"Key":         {"a key has the line of its name, wherever its value begins", []string{"limits", "agents"}, 4},
		"Item":        {"an item is found by its index", []string{"limits", "agents", "1"}, 6},
		"KeyOfItem":   {"a path goes on through a list", []string{"limits", "agents", "1", "groups", "0"}, 8},
		"Missing":     {"what is missing has the line of what it is missing in", []string{"limits", "calls"}, 2},
		"MissingItem": {"the same in a list", []string{"limits", "agents", "2"}, 4},
		"NoIndex":     {"an item has no name", []string{"limits", "agents", "id"}, 4},
		"NoList":      {"a key has no items", []string{"limits", "running", "0"}, 3},
		"Negative":    {"indices begin at 0", []string{"limits", "agents", "-1"}, 4},
		"Alias":       {"an alias leads to where its value stands", []string{"again", "1", "id"}, 6},
		"DotInKey":    {"a path has whole keys", []string{"dotted.key"}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			if got := f.Line(tt.path...); got != tt.want {
				t.Errorf("Line(%q) = %d, want %d: %s", tt.path, got, tt.want, tt.reason)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	var v map[string]any
	f, err := strict.Document("f.yaml", []byte(document), &v)
	if err != nil {
		t.Fatal(err)
	}
	if f.Err() != nil || f.Len() != 0 {
		t.Errorf("without a fault: %v, %d", f.Err(), f.Len())
	}
	f.Add([]string{"again"}, "%d%% is too much", 110)
	f.AddKey("limits.running", "must be more than %d", 0)
	f.AddKey("limits.agents.50%", "is missing")
	f.AddKey("identities", "is missing")
	f.Add([]string{"limits", "running"}, "second fault of a line")
	want := `f.yaml:2: identities is missing
f.yaml:3: limits.running must be more than 0
f.yaml:3: second fault of a line
f.yaml:4: limits.agents.50% is missing
f.yaml:9: 110% is too much`
	if d := cmp.Diff(want, f.Err().Error()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if f.Len() != 5 {
		t.Errorf("%d faults, want 5", f.Len())
	}
}

func TestDocumentIsStrict(t *testing.T) {
	var v struct {
		Name string `yaml:"name"`
	}
	f, err := strict.Document("f.yaml", []byte("name: a\nprot: 1\n"), &v)
	if f != nil || err == nil || err.Error() != "f.yaml:2: field prot not found in type struct { Name string \"yaml:\\\"name\\\"\" }" {
		t.Errorf("Document = %v, %v", f, err)
	}
}
