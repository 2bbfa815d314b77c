package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOldestBallotFirst(t *testing.T) {
	g := newGateway(t)
	h := g.server(t).Handler()
	var want []string
	for i := range 3 {
		body := fmt.Sprintf(`{"tool": "gitops_scale_deployment", "arguments": {"environment": "production", "name": "api", "replicas": %d}}`, i)
		want = append(want, decode(t, send(h, request(t, http.MethodPost, "/v1/calls", body))).ID)
		g.clock.advance(time.Minute)
	}
	w := send(h, request(t, http.MethodGet, "/v1/ballots", "", "Authorization", "Bearer bob"))
	var list struct {
		Ballots []response `json:"ballots"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range list.Ballots {
		got = append(got, b.ID)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
