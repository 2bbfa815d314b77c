package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/e2e/internal/node"
)

// Testbox is an image that every cluster has: small programs for pods.
const Testbox = "cluster.local/testbox:1"

// Options say how a cluster is to be.
type Options struct {
	// Dir is the cluster's directory, for its state and its logs. It must not
	// lie below /run, /var/lib or /var/log, where the node has directories of
	// its own.
	Dir string
	// Port of the API server on 127.0.0.1; 0 takes one that is free.
	Port int
	// Keep lets the cluster outlive this process; Attach finds it.
	Keep bool
	// Progress gets a line for each slow step; nil discards them.
	Progress io.Writer
}

// Cluster is one that runs.
type Cluster struct {
	Programs Programs

	dir     node.Dir
	state   node.State
	process *exec.Cmd     // the supervisor, if this process started it
	hold    io.Closer     // whose end is the cluster's
	ended   chan struct{} // closed with the supervisor
	wait    error         // how it ended
}

// Up starts a cluster, and returns when pods can run in it and resolve names.
// What a cluster left that was killed is removed first.
func Up(ctx context.Context, o Options) (*Cluster, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if err := Missing(ctx); err != nil {
		return nil, fmt.Errorf("this machine can't run a cluster yet: %w", err)
	}
	dir, err := prepare(o.Dir)
	if err != nil {
		return nil, err
	}
	programs, err := Build(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	if err := images(dir, programs); err != nil {
		return nil, err
	}
	if err := dir.Configure(node.Config{Kubernetes: programs.Kubernetes, Netpold: programs.Netpold, Port: o.Port, Keep: o.Keep}); err != nil {
		return nil, err
	}
	c := &Cluster{Programs: programs, dir: dir, ended: make(chan struct{})}
	if err := c.start(ctx, o.Keep); err != nil {
		return nil, err
	}
	if err := c.ready(ctx); err != nil {
		return nil, errors.Join(err, c.Down(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// prepare makes the directory one for a cluster that is to start.
func prepare(name string) (node.Dir, error) {
	if name == "" {
		return "", errors.New("a cluster needs a directory")
	}
	name, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	if below := node.Hides(name); below != "" {
		return "", fmt.Errorf("%s lies below %s, where the node has a directory of its own: choose another", name, below)
	}
	if err := os.MkdirAll(name, 0o700); err != nil {
		return "", err
	}
	dir := node.Dir(name)
	lock, err := dir.Lock()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return "", fmt.Errorf("a cluster runs in %s already: use it, or end it by make cluster-down", name)
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }() // the supervisor takes it next
	if err := dir.Clear(); err != nil {
		return "", err
	}
	for _, sub := range []string{dir.Logs(), dir.Images()} {
		if err := os.MkdirAll(sub, 0o700); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// images writes those that every cluster has.
func images(dir node.Dir, p Programs) error {
	for file, i := range map[string]Image{
		"pause.tar":   {Ref: node.Pause, Source: p.Testbox, Command: []string{"pause"}},
		"testbox.tar": {Ref: Testbox, Source: p.Testbox},
		"coredns.tar": {Ref: node.CoreDNS, Source: p.CoreDNS},
	} {
		if err := i.Write(filepath.Join(dir.Images(), file)); err != nil {
			return err
		}
	}
	return nil
}

// start starts the supervisor, which ends when this process does, unless the
// cluster is to be kept.
func (c *Cluster) start(ctx context.Context, keep bool) error {
	log, err := os.Create(filepath.Join(c.dir.Logs(), "supervisor.log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	// It is asked to end instead of killed: it has to remove what the node leaves.
	c.process = exec.CommandContext(context.WithoutCancel(ctx), c.Programs.Node, "supervise", string(c.dir)) //nolint:gosec // what we built
	c.process.Stdout, c.process.Stderr = log, log
	c.process.Env = append(os.Environ(), "PATH="+searchPath())
	c.process.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // what interrupts this process is no signal for it
	if !keep {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer func() { _ = r.Close() }()
		c.process.Stdin, c.hold = r, w
	}
	if err := c.process.Start(); err != nil {
		return err
	}
	go func() {
		c.wait = c.process.Wait()
		close(c.ended)
	}()
	return nil
}

// Attach finds the cluster that runs in a directory.
func Attach(dir string) (*Cluster, error) {
	name, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: node.Dir(name)}
	running, err := c.running()
	if err != nil {
		return nil, err
	}
	if !running {
		return nil, fmt.Errorf("no cluster runs in %s: make cluster-up starts one", name)
	}
	if c.state, err = c.dir.State(); err != nil {
		return nil, fmt.Errorf("the cluster in %s is starting or ending: %w", name, err)
	}
	return c, nil
}

// running asks for the lock, which the supervisor holds while it lives.
func (c *Cluster) running() (bool, error) {
	lock, err := c.dir.Lock()
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	}
	return false, lock.Close()
}

// Down ends the cluster and waits until nothing of it is left but the logs.
func (c *Cluster) Down(ctx context.Context) error {
	if err := c.end(); err != nil {
		return fmt.Errorf("ending the cluster in %s: %w", c.dir, err)
	}
	if err := c.gone(ctx); err != nil {
		return fmt.Errorf("the cluster in %s does not end: %w", c.dir, err)
	}
	if c.hold != nil {
		_ = c.hold.Close()
		c.hold = nil
	}
	if c.wait != nil {
		return fmt.Errorf("the cluster in %s: %w\n%s", c.dir, c.wait, c.lastWords())
	}
	return os.RemoveAll(c.dir.Images())
}

// end asks the supervisor to end.
func (c *Cluster) end() error {
	if c.process != nil {
		if err := c.process.Process.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		return nil
	}
	running, err := c.running()
	if err != nil || !running { // while it runs, no other process has its id
		return err
	}
	return syscall.Kill(c.state.Supervisor, syscall.SIGTERM)
}

// gone waits for the supervisor's end.
func (c *Cluster) gone(ctx context.Context) error {
	if c.process != nil {
		select {
		case <-c.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if running, err := c.running(); err != nil || !running {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}

// lastWords are what the supervisor and the node said.
func (c *Cluster) lastWords() string {
	var words strings.Builder
	for _, name := range []string{"supervisor.log", "node.log"} {
		if data, err := os.ReadFile(filepath.Join(c.dir.Logs(), name)); err == nil {
			words.Write(data)
		}
	}
	return words.String()
}
