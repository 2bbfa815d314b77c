// Command intruder is a tool, or an executor, that has been taken over. It
// stands in images of the tests alone: it reads from the Deployment that its
// call is about what it is to try, tries that, and prints one line of JSON for
// each attempt.
//
//	intruder NAMESPACE/DEPLOYMENT
//
// As the executor it finds the Deployment in its request.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/e2e/internal/intrusion"
	"github.com/sallyport/sallyport/tools/wire"
)

// between is the pause between rounds of what is tried again.
const between = 20 * time.Millisecond

func main() {
	if len(os.Args) > 2 && os.Args[1] == "linger" {
		time.Sleep(time.Hour)
	}
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	target := ""
	if len(os.Args) > 1 {
		target = os.Args[1]
	}
	if text := os.Getenv(wire.EnvRequest); text != "" {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		var request wire.Request
		if err := json.Unmarshal([]byte(text), &request); err != nil {
			return err
		}
		target = request.Intent.Namespace + "/" + request.Intent.Name
	}
	a, err := connect()
	if err != nil {
		return err
	}
	plan, err := a.plan(ctx, target)
	if err != nil {
		return err
	}
	try(ctx, a, plan.Once)
	if plan.Linger != "" {
		if err := linger(plan.Linger); err != nil {
			return err
		}
	}
	for len(plan.Again) > 0 {
		try(ctx, a, plan.Again)
		time.Sleep(between)
	}
	return nil
}

// try makes all attempts, and waits together for those that have to time out.
func try(ctx context.Context, a *api, attempts []intrusion.Attempt) {
	var group sync.WaitGroup
	var t teller
	defer group.Wait()
	for _, at := range attempts {
		if at.Dial != "" || at.Resolve != "" {
			group.Go(func() { t.tell(at.Name, func() (string, error) { return connectTo(ctx, at) }) })
			continue
		}
		t.tell(at.Name, func() (string, error) {
			switch {
			case at.API != nil:
				return a.ask(ctx, *at.API)
			case at.Reply != "":
				return post(ctx, at.Reply)
			default:
				return local(at.Local)
			}
		})
	}
}

// teller writes a line for each attempt.
type teller struct{ sync.Mutex }

func (t *teller) tell(name string, attempt func() (string, error)) {
	r := intrusion.Result{Name: name, At: time.Now()}
	detail, err := attempt()
	r.Reached, r.Detail = err == nil, detail
	if err != nil {
		r.Detail = err.Error()
	}
	t.Lock()
	defer t.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(r) // a failed write to stdout has no other channel
}

// linger leaves a process behind that has nothing to do with this one.
func linger(word string) error {
	c := exec.Command(os.Args[0], "linger", word) //nolint:gosec,noctx // itself; it is to stay
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return c.Start()
}
