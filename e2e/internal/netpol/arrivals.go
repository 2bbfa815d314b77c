package netpol

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// patience is how long a new pod waits until its address is in the rules.
const patience = 10 * time.Second

// arrivals are the addresses of pods that the CNI plugin told us, about a
// second before the kubelet tells the API server.
type arrivals struct {
	changed func()

	mu       sync.Mutex
	pods     map[types.UID]arrival
	inForce  map[string]bool
	rendered chan struct{} // closed and replaced when inForce changes
}

type arrival struct{ ip, container string }

func newArrivals(changed func()) *arrivals {
	return &arrivals{changed: changed, pods: map[types.UID]arrival{}, inForce: map[string]bool{}, rendered: make(chan struct{})}
}

// serve answers the plugin's lines on l until it is closed.
func (a *arrivals) serve(ctx context.Context, l net.Listener) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = c.Close() }()
			line, err := bufio.NewReader(io.LimitReader(c, 1024)).ReadString('\n')
			if err != nil {
				return
			}
			if err := a.handle(ctx, strings.Fields(line)); err != nil {
				_, _ = fmt.Fprintln(c, err) // a failed write concerns the plugin alone
				return
			}
			_, _ = fmt.Fprintln(c, "ok")
		}()
	}
}

// handle reads "add UID IP CONTAINER", when the address is in force, and "del
// CONTAINER".
func (a *arrivals) handle(ctx context.Context, words []string) error {
	switch {
	case len(words) == 4 && words[0] == "add":
		return a.add(ctx, types.UID(words[1]), arrival{words[2], words[3]}) //nolint:gosec // four words
	case len(words) == 2 && words[0] == "del":
		a.mu.Lock()
		for uid, p := range a.pods {
			if p.container == words[1] {
				delete(a.pods, uid)
			}
		}
		a.mu.Unlock()
		a.changed()
		return nil
	default:
		return fmt.Errorf("%q is neither add nor del", words)
	}
}

func (a *arrivals) add(ctx context.Context, uid types.UID, p arrival) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	a.mu.Lock()
	a.pods[uid] = p
	delete(a.inForce, p.ip) // it may have been another pod's
	a.mu.Unlock()
	a.changed()
	for {
		a.mu.Lock()
		done, next := a.inForce[p.ip], a.rendered
		a.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return fmt.Errorf("the policies of pod %s did not get in force", uid)
		}
	}
}

// with gives pods the addresses that the API server doesn't know yet.
func (a *arrivals) with(pods []*corev1.Pod) []*corev1.Pod {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]*corev1.Pod, 0, len(pods))
	for _, p := range pods {
		if known, ok := a.pods[p.UID]; ok && known.ip != p.Status.PodIP {
			p = p.DeepCopy()
			p.Status.PodIP = known.ip
		}
		all = append(all, p)
	}
	return all
}

// nowInForce says that the rules know these addresses, and wakes who waits.
func (a *arrivals) nowInForce(addresses []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.inForce)
	for _, ip := range addresses {
		a.inForce[ip] = true
	}
	close(a.rendered)
	a.rendered = make(chan struct{})
}
