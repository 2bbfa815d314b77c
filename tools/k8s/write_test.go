package k8s

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

// TestOvertaken: a response that was lost, and then another call's write. Which
// of the two came first can't be seen, so nothing is written again.
func TestOvertaken(t *testing.T) {
	was := map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "api", "namespace": "staging", "uid": "u", "resourceVersion": "1"}, "spec": map[string]any{"replicas": 1},
	}
	changed := func(metadata map[string]any) map[string]any {
		metadata["name"], metadata["namespace"], metadata["resourceVersion"] = "api", "staging", "3"
		return map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": map[string]any{"replicas": 5}}
	}
	for name, tt := range map[string]struct {
		reason  string
		then    map[string]any
		unknown bool
		writes  int
	}{
		"OtherCall": {"our mark may have been there before theirs", changed(map[string]any{"uid": "u", "annotations": map[string]any{wire.AnnotationCall: "another"}}), true, 1},
		"Replaced":  {"ours may have been written to the one before", changed(map[string]any{"uid": "v"}), true, 1},
		"Gone":      {"it may have been written before it was removed", nil, true, 1},
		"Changed":   {"another client, which sets no marks, changed the object: the write is void, and sent again", changed(map[string]any{"uid": "u"}), false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			writes := 0
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				object := was
				if writes > 0 {
					object = tt.then
				}
				switch {
				case q.Method == http.MethodGet && object == nil:
					w.WriteHeader(http.StatusNotFound)
					object = map[string]any{"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
				case q.Method == http.MethodPatch && q.URL.Path == "/apis/apps/v1/namespaces/staging/deployments/api":
					if writes++; writes == 1 {
						panic(http.ErrAbortHandler) // the response is lost
					}
				}
				if err := json.NewEncoder(w).Encode(object); err != nil {
					t.Error(err)
				}
			}))
			defer api.Close()
			cluster, err := Connect(&rest.Config{Host: api.URL})
			if err != nil {
				t.Fatal(err)
			}
			i := sallyport.Intent{
				CallID: "a", Tool: sallyport.ToolRef{Name: "k8s_scale_deployment"}, Resource: "Deployment", Namespace: "staging", Name: "api",
				Arguments: json.RawMessage(`{"name":"api","namespace":"staging","replicas":2}`), At: time.Now(),
			}
			res := Run(t.Context(), wire.Request{Mode: wire.ModeRun, Intent: i}, cluster, Lease{Namespace: "staging", Name: "l", Holder: "pod"})
			if writes != tt.writes || res.Unknown != tt.unknown || (res.Error != nil) != tt.unknown {
				t.Errorf("%d writes, %+v, unknown %t; want %d, unknown %t: %s", writes, res.Error, res.Unknown, tt.writes, tt.unknown, tt.reason)
			}
		})
	}
}
