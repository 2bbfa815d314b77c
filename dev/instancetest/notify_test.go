package instancetest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/dev/instancetest"
	"github.com/sallyport/sallyport/policies"
)

// hook is a receiver of notifications that may be down.
type hook struct {
	*httptest.Server
	secret func() string // as its file has it

	mu     sync.Mutex
	down   bool
	missed int
	seen   map[string]bool
	got    []notice
	forged []string
}

// notice are the fields of an event that the test compares.
type notice struct{ ID, Type, Subject, Resolution, Link string }

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{seen: map[string]bool{}}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

// ServeHTTP does what the architecture document tells receivers to do.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		h.missed++
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	id := r.Header.Get("webhook-id")
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(h.secret()), "whsec_"))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + r.Header.Get("webhook-timestamp") + "." + string(body)))
	if r.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		h.forged = append(h.forged, string(body))
	}
	var e struct {
		ID, Type, Subject string
		Data              struct{ Resolution, Link string }
	}
	if err := json.Unmarshal(body, &e); err != nil || e.ID != id {
		h.forged = append(h.forged, string(body))
	}
	if !h.seen[id] {
		h.got = append(h.got, notice{e.ID, e.Type, e.Subject, e.Data.Resolution, e.Data.Link})
	}
	h.seen[id] = true
}

func (h *hook) setDown(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
}

func (h *hook) counts() (missed, got int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.missed, len(h.got)
}

// askInStaging has staging ask too, and wait for a second.
func askInStaging(t *testing.T, i *instancetest.Instance) {
	t.Helper()
	if err := os.CopyFS(i.Path("policies"), policies.Development()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(i.Path("policies/data.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	const never = "    approval: {write: none, destructive: none}\n  production:"
	asks := strings.Replace(string(text), never, "    approval: {write: {groups: [sre], quorum: 1, ttl_seconds: 1, evidence: [api-attested]}, destructive: none}\n  production:", 1)
	if asks == string(text) {
		t.Fatal("staging has no approval to be set")
	}
	replace(t, i.Path("policies/data.yaml"), asks)
}

// TestNotifications runs calls while the receiver is down, kills the gateway,
// and lets another call expire once both are back: the receiver gets all
// notifications in order, and no call has waited for the receiver.
func TestNotifications(t *testing.T) {
	t.Parallel()
	h := newHook(t)
	i := instancetest.New(t, instancetest.Options{Webhook: h.URL})
	h.secret = func() string {
		b, err := os.ReadFile(i.Path("webhook.secret"))
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	askInStaging(t, i)
	d := start(t, i)

	h.setDown(true)
	approved := d.submit(scale("production/api", 5))
	instancetest.Await(t, "the receiver was tried", func() bool { missed, _ := h.counts(); return missed > 0 })
	d.approve(approved)
	d.ends(approved, sallyport.StateSucceeded)
	d.Kill(t)
	h.setDown(false)
	d.Restart(t)
	d.connect()
	instancetest.Await(t, "the receiver hears of the approved call", func() bool { _, got := h.counts(); return got >= 2 })

	expired := d.submit(scale("staging/api", 5))
	d.ends(expired, sallyport.StateExpired)
	instancetest.Await(t, "the receiver hears of the expired call", func() bool { _, got := h.counts(); return got >= 4 })
	wantSound(t, d.Instance, d.book.calls())

	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.forged) > 0 {
		t.Errorf("not signed with the secret: %v", h.forged)
	}
	want := []notice{ // policy evaluates the plan too, in a decision of its own
		{approved + "/5", "io.github.sallyport.approval.requested.v1", approved, "", ""},
		{approved + "/7", "io.github.sallyport.approval.decided.v1", approved, "approved", ""},
		{expired + "/5", "io.github.sallyport.approval.requested.v1", expired, "", ""},
		{expired + "/6", "io.github.sallyport.approval.expired.v1", expired, "expired", ""},
	}
	for n := range h.got {
		if prefix := i.Info().TemporalUI + "/namespaces/default/workflows/call-" + h.got[n].Subject + "/"; !strings.HasPrefix(h.got[n].Link, prefix) {
			t.Errorf("the link %s does not begin with %s", h.got[n].Link, prefix)
		}
		h.got[n].Link = ""
	}
	if d := cmp.Diff(want, h.got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
