package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport"
)

// operations has a command for every operation of the API: CALL stands for a call that
// waits, DIR for a directory, KEY for the ledger's public key, URL for the gateway's.
var operations = map[string]struct {
	as   string
	args []string
}{
	"submitCall":      {"deploy-bot", []string{"call", "some_tool"}},
	"listCalls":       {"olga", []string{"list"}},
	"searchLedger":    {"audra", []string{"search"}},
	"getCall":         {"bob", []string{"get", "CALL"}},
	"proveCall":       {"audra", []string{"prove", "CALL", "--file", "DIR/proof.json"}},
	"cancelCall":      {"olga", []string{"cancel", "CALL"}},
	"vote":            {"bob", []string{"approve", "CALL", "--yes"}},
	"listBallots":     {"bob", []string{"ballots"}},
	"freeze":          {"olga", []string{"freeze", "--tool", "some_tool", "--reason", "r"}},
	"listFreezes":     {"audra", []string{"freeze", "list"}},
	"liftFreeze":      {"olga", []string{"freeze", "lift", "CALL"}},
	"listTools":       {"deploy-bot", []string{"tools", "list"}},
	"previewDecision": {"deploy-bot", []string{"decide", "some_tool"}},
	"getVersion":      {"", []string{"version"}},
	"getCheckpoint":   {"", []string{"verify", "--tiles", "URL/ledger", "--key", "KEY"}},
	"getTile":         {"", []string{"verify", "--tiles", "URL/ledger", "--key", "KEY"}},
}

// forPrograms are the operations that no person uses, and why.
var forPrograms = map[string]string{
	"mcp":                    "agents speak it by a client of their own",
	"watchCall":              "browsers and agents read its events; `get --wait` and `list --watch` ask again",
	"evaluateAccess":         "policy enforcement points ask by AuthZEN; `decide` is the same dry run",
	"getResourceMetadata":    "clients of MCP read it",
	"getMCPResourceMetadata": "clients of MCP read it",
	"healthz":                "probes ask it",
	"readyz":                 "probes ask it",
	"metrics":                "Prometheus reads it",
	"openapi":                "generators of clients read it",
}

// TestEveryOperationHasACommand runs the commands and looks at what reaches the
// gateway.
func TestEveryOperationHasACommand(t *testing.T) {
	for id, route := range documented(t) {
		op, ok := operations[id]
		if _, none := forPrograms[id]; ok == none {
			t.Errorf("the operation %s (%s) has no command: add one, or say in forPrograms which programs it is for", id, route)
		}
		if !ok {
			continue
		}
		t.Run(id, func(t *testing.T) {
			s := newStage(t)
			s.tools = []sallyport.Tool{{Name: "some_tool"}}
			l := newLogins(t, s)
			t.Setenv("SALLYPORT_TOKEN", op.as)
			if op.args[0] == "verify" { // of a log that has a checkpoint
				if _, notes, code := s.run(t, "audra", "prove", s.asked.CallID, "--file", filepath.Join(t.TempDir(), "proof")); code != 0 {
					t.Fatal(notes)
				}
			} else {
				op.args = append(op.args, "--server", l.gateway.URL)
			}
			fill := strings.NewReplacer("CALL", s.asked.CallID, "DIR", t.TempDir(), "KEY", s.key, "URL", l.gateway.URL)
			for i := range op.args {
				op.args[i] = fill.Replace(op.args[i])
			}
			method, path, _ := strings.Cut(route, " ")
			pattern := regexp.MustCompile("^" + method + " " + strings.NewReplacer("{id}", "[a-z2-7]{26}", "{path}", ".+").Replace(path) + " as " + op.as + "$")
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			l.seen = func(request string) {
				if op.args[0] == "call" && pattern.MatchString(request) {
					stop() // it would wait for the end of the call, which no worker runs
				}
			}
			var out, notes strings.Builder
			root := command()
			root.SetArgs(op.args)
			root.SetOut(&out)
			root.SetErr(&notes)
			err := root.ExecuteContext(ctx)
			if !slices.ContainsFunc(l.requests, pattern.MatchString) {
				t.Errorf("%v sends %q, and no %s; it ends with %v, prints %q and says %q", op.args, l.requests, pattern, err, out.String(), notes.String())
			}
		})
	}
}

// documented are the operations of the API's document, with their method and path.
func documented(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("../../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string `yaml:"operationId"`
		} `yaml:"paths"`
	}
	if err := yaml.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for path, methods := range document.Paths {
		for method, op := range methods {
			found[op.OperationID] = strings.ToUpper(method) + " " + path
		}
	}
	for id := range operations {
		if _, ok := found[id]; !ok {
			t.Errorf("the API has no operation %s any more", id)
		}
	}
	for id := range forPrograms {
		if _, ok := found[id]; !ok {
			t.Errorf("the API has no operation %s any more", id)
		}
	}
	return found
}
