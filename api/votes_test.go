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
	type list struct {
		Ballots []response `json:"ballots"`
		Cursor  *string    `json:"cursor"`
	}
	ask := func(query string) (l list) {
		t.Helper()
		w := send(h, request(t, http.MethodGet, "/v1/ballots"+query, "", "Authorization", "Bearer bob"))
		if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	ids := func(lists ...list) (all []string) {
		for _, l := range lists {
			for _, b := range l.Ballots {
				all = append(all, b.ID)
			}
		}
		return all
	}
	all, first := ask("?limit=10"), ask("?limit=2")
	if d := cmp.Diff(want, ids(all)); d != "" || all.Cursor != nil {
		t.Errorf("cursor %v (-want +got)\n%s", all.Cursor, d)
	}
	if first.Cursor == nil {
		t.Fatal("two of three say that there are no more")
	}
	next := ask("?limit=2&cursor=" + *first.Cursor)
	if d := cmp.Diff(want, ids(first, next)); d != "" || next.Cursor != nil {
		t.Errorf("page by page: cursor %v (-want +got)\n%s", next.Cursor, d)
	}
}
