//go:build mcp

package mcptest_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/instancetest"
)

// bearer adds a token to each request.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

func agent(t *testing.T, i *instancetest.Instance) *mcp.ClientSession {
	t.Helper()
	transport := &mcp.StreamableClientTransport{
		Endpoint: i.Info().API + "/mcp", HTTPClient: &http.Client{Transport: bearer(i.Token(t, "deploy-bot"))}, DisableStandaloneSSE: true,
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// TestCost makes reads by REST and by MCP in turn, and compares how long they take.
// The bound is wide, because machines are noisy; the log has the numbers.
func TestCost(t *testing.T) {
	i := instancetest.Start(t, instancetest.Options{})
	rest, session := i.Client(t, "deploy-bot"), agent(t, i)
	arguments := map[string]any{"environment": "staging", "kind": "deployment", "name": "api"}
	raw, err := json.Marshal(arguments)
	if err != nil {
		t.Fatal(err)
	}
	var byREST, byMCP []time.Duration
	for n := range 120 {
		began := time.Now()
		if _, err := rest.Submit(t.Context(), client.Submission{Tool: "gitops_get_manifest", Arguments: raw, Wait: 20 * time.Second}); err != nil {
			t.Fatal(err)
		}
		between := time.Now()
		result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "gitops_get_manifest", Arguments: arguments})
		if err != nil || result.IsError {
			t.Fatalf("%v %+v", err, result)
		}
		if n >= 20 { // the first ones warm up
			byREST, byMCP = append(byREST, between.Sub(began)), append(byMCP, time.Since(between))
		}
	}
	slices.Sort(byREST)
	slices.Sort(byMCP)
	half := len(byREST) / 2
	t.Logf("p50 of %d reads each: REST %s, MCP %s, %.2f", len(byREST), byREST[half], byMCP[half], float64(byMCP[half])/float64(byREST[half]))
	if byMCP[half] > byREST[half]*3/2 {
		t.Error("MCP costs half as much again as REST")
	}
}

// Many clients that send the same write at once, without keys, make one commit.
func TestOneWrite(t *testing.T) {
	i := instancetest.Start(t, instancetest.Options{})
	const clients = 64
	ids := make(chan string, clients)
	for range clients {
		session := agent(t, i)
		go func() {
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{
				Name: "gitops_scale_deployment", Arguments: map[string]any{"environment": "staging", "name": "api", "replicas": 7},
			})
			if err != nil || result.IsError {
				t.Errorf("%v %+v", err, result)
				ids <- ""
				return
			}
			note, _ := result.Meta["dev.sallyport/call"].(map[string]any)
			id, _ := note["id"].(string)
			ids <- id
		}()
	}
	first := <-ids
	for range clients - 1 {
		if id := <-ids; id != first || id == "" {
			t.Errorf("clients got the calls %q and %q", first, id)
		}
	}
}
