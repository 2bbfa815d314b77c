//go:build !race

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/workflows/wire"
)

// body is the call that is measured: an allowed read of a file of a real Git
// repository.
const body = `{"tool": "gitops_get_manifest", "arguments": {"environment": "staging", "name": "api"}, "reason": "bench"}`

// call makes one call and waits for its result. Where the gateway has too much
// to do it comes back when the gateway says, as agents should.
func (h *harness) call(ctx context.Context, agent int) (string, error) {
	for {
		began := time.Now()
		id, again, err := h.try(ctx, agent)
		if err != nil || again == 0 {
			return id, err
		}
		h.refused.add(time.Since(began))
		if err := rest(ctx, again); err != nil {
			return "", err
		}
	}
}

// try makes one call and waits for its result, or is refused and says when to
// try again.
func (h *harness) try(ctx context.Context, agent int) (id string, again time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.api+"/v1/calls", bytes.NewReader([]byte(body)))
	if err != nil {
		return "", 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Prefer", "wait=60")
	r.Header.Set("Authorization", "Bearer "+h.tokens[agent%len(h.tokens)])
	resp, err := h.http.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", 0, err
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		if err != nil || seconds < 1 {
			return "", 0, fmt.Errorf("the gateway answered %s and not when to come again: %s", resp.Status, sallyport.Visible(string(answer)))
		}
		return "", time.Duration(seconds) * time.Second, nil
	}
	var c client.Call
	if err := json.Unmarshal(answer, &c); err != nil || resp.StatusCode != http.StatusOK {
		return "", 0, fmt.Errorf("the gateway answered %s: %s", resp.Status, sallyport.Visible(string(answer)))
	}
	if c.State != sallyport.StateSucceeded || c.Result == nil {
		return "", 0, fmt.Errorf("call %s ended as %s", c.ID, c.State)
	}
	return wire.WorkflowID(c.ID), 0, nil
}

// times are how long each of some things took. Safe for concurrent use.
type times struct {
	mu  sync.Mutex
	all []time.Duration
}

func (t *times) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, d)
}

// take returns what was added since the last take.
func (t *times) take() []time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.all
	t.all = nil
	return all
}
