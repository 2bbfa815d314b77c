package instancetest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/dev/instancetest"
)

// do sends a request that the client has no word for.
func do(t *testing.T, i *instancetest.Instance, who, method, path, body string, header http.Header) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, i.Info().API+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Authorization", "Bearer "+i.Token(t, who))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	r := send(t, req)
	return r.status, r.text
}

type response struct {
	status int
	text   string
}

func send(t *testing.T, req *http.Request) response {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{resp.StatusCode, string(text)}
}

// preview is what would be decided if deploy-bot scaled staging/api.
func preview(t *testing.T, i *instancetest.Instance, replicas int) string {
	t.Helper()
	body := fmt.Sprintf(`{"tool": "gitops_scale_deployment", "arguments": {"environment": "staging", "name": "api", "replicas": %d}}`, replicas)
	status, text := do(t, i, "deploy-bot", http.MethodPost, "/v1/decisions", body, nil)
	var answer struct{ Effect string }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("a preview is answered with %d: %s", status, text)
	}
	return answer.Effect
}
