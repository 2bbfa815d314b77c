//go:build e2e

package runs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sallyport/sallyport"
)

// TestResultReceiver: the worker takes an outcome only from the pod of a call
// that it waits for, and once. The executor of this call can't reach the API
// server and so goes on trying; the test posts in its place.
func TestResultReceiver(t *testing.T) {
	t.Parallel()
	r, url := receiving(t, bench.executor, nowhere)
	i := intent(t, "k8s_get_deployment", map[string]any{"namespace": "staging", "name": "absent"})
	other := intent(t, "odd_wait", map[string]any{})
	outcomes := make(chan sallyport.Outcome, 2)
	for _, i := range []sallyport.Intent{i, other} {
		go func() {
			o, err := r.Run(t.Context(), allowed(t, i))
			if err != nil {
				t.Error(err)
			}
			outcomes <- o
		}()
	}
	pod, otherPod := podOf(t, i), podOf(t, other)
	job := pod.Labels["batch.kubernetes.io/job-name"]
	audience := "sallyport-reply-" + job
	good := token(t, pod, pod, audience)
	body := `{"result":{"said":"it"}}`
	for name, tt := range map[string]struct {
		reason, job, token, body string
		want                     int
	}{
		"NoToken":       {"every pod could post without a token", job, "", body, http.StatusUnauthorized},
		"Nonsense":      {"this is no token", job, "nonsense", body, http.StatusUnauthorized},
		"OtherAudience": {"this one is for the API server", job, token(t, pod, pod, "https://kubernetes.default.svc.cluster.local"), body, http.StatusUnauthorized},
		"OtherCall":     {"a call speaks for itself alone", job, token(t, otherPod, otherPod, audience), body, http.StatusUnauthorized},
		"Unbound":       {"a token of the account that is not bound to the pod proves no pod", job, token(t, pod, nil, audience), body, http.StatusUnauthorized},
		"UnknownCall":   {"there is no such call", "agent-tool-call-" + strings.Repeat("a", 26), good, body, http.StatusNotFound},
		"Foreign":       {"an image that isn't ours has nothing to say here", otherPod.Labels["batch.kubernetes.io/job-name"], token(t, otherPod, otherPod, "sallyport-reply-"+otherPod.Labels["batch.kubernetes.io/job-name"]), body, http.StatusNotFound},
		"TooLarge":      {"the manifest says how much", job, good, `{"result":"` + strings.Repeat("A", 1<<20) + `"}`, http.StatusRequestEntityTooLarge},
	} {
		if got := post(t, url+tt.job, tt.token, tt.body); got != tt.want {
			t.Errorf("%s: status %d, want %d: %s", name, got, tt.want, tt.reason)
		}
	}
	if len(outcomes) > 0 {
		t.Fatalf("the worker took the outcome of another sender: %+v", <-outcomes)
	}
	if got := post(t, url+job, good, body); got != http.StatusNoContent {
		t.Errorf("the pod's own result: status %d, want 204", got)
	}
	if got := post(t, url+job, good, `{"result":{"said":"something else"}}`); got != http.StatusConflict && got != http.StatusNotFound {
		t.Errorf("its second result: status %d, want 409 or 404", got)
	}
	if o := <-outcomes; o.State != sallyport.StateSucceeded || string(o.Result) != `{"said":"it"}` {
		t.Errorf("outcome %+v; want what the pod said first", o)
	}
	wantNothingLeft(t, i)
	// What goes on after its outcome was taken is ended.
	if err := r.Release(t.Context(), i.CallID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pod that goes on to be ended", func(ctx context.Context) bool {
		p, err := bench.admin.CoreV1().Pods(execution).Get(ctx, pod.Name, metav1.GetOptions{})
		return err != nil || p.Status.Phase == corev1.PodFailed || p.DeletionTimestamp != nil
	})
	<-outcomes
}

func podOf(t *testing.T, i sallyport.Intent) *corev1.Pod {
	t.Helper()
	var pod corev1.Pod
	eventually(t, "the call's pod to run", func(ctx context.Context) bool {
		l, err := bench.admin.CoreV1().Pods(execution).List(ctx, metav1.ListOptions{LabelSelector: "sallyport.dev/call=" + i.CallID})
		if err != nil || len(l.Items) != 1 {
			return false
		}
		pod = l.Items[0]
		return pod.Status.Phase == corev1.PodRunning
	})
	return &pod
}

// token is one of the account of a pod, bound to a pod or to none. The node
// gets such tokens for the pods it runs.
func token(t *testing.T, account, bound *corev1.Pod, audience string) string {
	t.Helper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}, ExpirationSeconds: new(int64(600))}}
	if bound != nil {
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: bound.Name, UID: bound.UID}
	}
	made, err := bench.nodes.CoreV1().ServiceAccounts(execution).CreateToken(t.Context(), account.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made.Status.Token
}

func post(t *testing.T, url, token, body string) int {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}, Timeout: 10 * time.Second}
	res, err := web.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}
