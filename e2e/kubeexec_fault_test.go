//go:build e2e

package e2e_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/k8s"
	"github.com/sallyport/sallyport/tools/wire"
)

// TestKubeexecOneOfTwoActs: whatever made two pods for one call, one of them
// acts.
func TestKubeexecOneOfTwoActs(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	d := deployment(t, ns, "api")
	c := callOf(t, ns, "k8s_scale_deployment", map[string]any{"name": "api", "replicas": 2})
	config, lease := c.grant(t, wire.ModeRun), c.free(t)
	var wg sync.WaitGroup
	codes := make([]string, 8)
	for n := range codes {
		wg.Go(func() {
			api, err := k8s.Connect(config)
			if err != nil {
				t.Error(err)
				return
			}
			mine := lease
			mine.Holder = string(rune('a' + n))
			if res := k8s.Run(t.Context(), wire.Request{Mode: wire.ModeRun, Intent: c.intent}, api, mine); res.Error != nil {
				codes[n] = res.Error.Code
			}
		})
	}
	wg.Wait()
	acted := 0
	for _, code := range codes {
		switch code {
		case "":
			acted++
		case sallyport.CodeNotBegun:
		default:
			t.Errorf("code %s", code)
		}
	}
	if acted != 1 || *current(t, d).Spec.Replicas != 2 {
		t.Errorf("%d pods acted", acted)
	}
	// Without a lease nothing is written.
	api, err := k8s.Connect(config)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, k8s.Run(t.Context(), wire.Request{Mode: wire.ModeRun, Intent: c.intent}, api, k8s.Lease{}), sallyport.CodeInternal)
	gone := lease
	gone.Name += "-gone"
	if res := k8s.Run(t.Context(), wire.Request{Mode: wire.ModeRun, Intent: c.intent}, api, gone); res.Error == nil {
		t.Error("acted by a lease that isn't there")
	}
}

// TestKubeexecFaults loses requests and answers on their way.
func TestKubeexecFaults(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	lease := func(r *http.Request) bool {
		return strings.Contains(r.URL.Path, "/leases/") && r.Method == http.MethodPatch
	}
	reads := func(r *http.Request) bool { return r.Method == http.MethodGet }
	for name, tt := range map[string]struct {
		reason, when string
		about        func(*http.Request) bool
		times        int32
	}{
		"read-lost":        {"nothing was done", "before", reads, 3},
		"write-lost":       {"nothing was done, which shows", "before", writes, 3},
		"response-lost":    {"it was done, which shows", "after", writes, 1},
		"lease-lost":       {"it is not taken", "before", lease, 3},
		"lease-taken-lost": {"it is taken by this very pod", "after", lease, 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := deployment(t, ns, name)
			c := callOf(t, ns, "k8s_scale_deployment", map[string]any{"name": name, "replicas": 2})
			var left atomic.Int32
			left.Store(tt.times)
			config := unreliable(t, c.grant(t, wire.ModeRun), func(when string, r *http.Request) bool {
				return when == tt.when && tt.about(r) && left.Add(-1) >= 0
			})
			res := c.through(t, config, wire.ModeRun, c.planned(t))
			if o := wantResult(t, res); !o.Changed || len(o.Changes) != 1 || res.Reference != string(d.UID) {
				t.Errorf("result %s: %s", res.Result, tt.reason)
			}
			if left.Load() > 0 {
				t.Error("the fault did not happen")
			}
			if *current(t, d).Spec.Replicas != 2 {
				t.Error("it was not scaled")
			}
		})
	}
}

// TestKubeexecSaysWhatItDoesNotKnow: an answer that is lost, and then silence.
func TestKubeexecSaysWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	for name, tt := range map[string]struct {
		when    string // the silence begins
		ends    bool   // it does, when the call's time is over
		unknown bool
	}{
		"before-a-write":      {when: "before", unknown: true},
		"after-a-write":       {when: "after", unknown: true},
		"before-all":          {},
		"before-a-last-look":  {when: "before", ends: true, unknown: true}, // the write could still come
		"written-and-visible": {when: "after", ends: true},
	} {
		t.Run(name, func(t *testing.T) {
			available(t, deployment(t, ns, name)) // or another version would show that the write is void
			c := callOf(t, ns, "k8s_scale_deployment", map[string]any{"name": name, "replicas": 2})
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			var silent atomic.Bool
			config := unreliable(t, c.grant(t, wire.ModeRun), func(when string, r *http.Request) bool {
				if when == tt.when && writes(r) || tt.when == "" && !strings.Contains(r.URL.Path, "/leases/") {
					silent.Store(true)
				}
				return silent.Load() && (!tt.ends || ctx.Err() == nil)
			})
			res := within(ctx, t, c, config)
			if tt.ends && tt.when == "after" {
				wantResult(t, res)
				return
			}
			if res.Error == nil || res.Error.Code != sallyport.CodeUnreachable || res.Unknown != tt.unknown {
				t.Errorf("%+v, unknown %t; want unknown %t", res.Error, res.Unknown, tt.unknown)
			}
		})
	}
}

// within runs a call that has as long as ctx.
func within(ctx context.Context, t *testing.T, c *toolCall, config *rest.Config) wire.Response {
	t.Helper()
	api, err := k8s.Connect(config)
	if err != nil {
		t.Fatal(err)
	}
	return k8s.Run(ctx, wire.Request{Mode: wire.ModeRun, Intent: c.intent}, api, c.free(t))
}
