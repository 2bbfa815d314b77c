package node

import (
	"context"
	"embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
	"time"

	"github.com/sallyport/sallyport/e2e/internal/pki"
)

// Where the node keeps what it is told.
const (
	pkiDir  = "/run/cluster/pki"
	confDir = "/run/cluster/conf"
)

//go:embed conf
var templates embed.FS

// programs starts the node's programs and knows when one ends, which none
// should.
type programs struct {
	Config

	dir   Dir
	ended chan error
}

// Run makes the namespaces that it is in a node, and returns when one of its
// programs ends. server is how clients on the machine reach it.
func Run(ctx context.Context, dir Dir, server, cgroup string) error {
	p := &programs{dir: dir, ended: make(chan error, 16)}
	if err := read(dir.config(), &p.Config); err != nil {
		return err
	}
	if err := prepare(ctx); err != nil {
		return err
	}
	external, err := identities(server)
	if err != nil {
		return err
	}
	if err := configure(cgroup); err != nil {
		return err
	}
	if err := p.start(ctx, 0, "containerd", "containerd", "-c", confDir+"/containerd.toml"); err != nil {
		return err
	}
	if err := p.control(ctx); err != nil {
		return err
	}
	if err := p.workers(ctx); err != nil {
		return err
	}
	if err := p.images(ctx); err != nil {
		return err
	}
	if err := p.dns(ctx); err != nil {
		return err
	}
	if err := replace(dir.Kubeconfig(), external); err != nil {
		return err
	}
	select {
	case err := <-p.ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// identities writes who is who, and returns the kubeconfig for clients on the
// machine.
func identities(server string) (external []byte, err error) {
	a, err := pki.New(pkiDir, time.Now())
	if err != nil {
		return nil, err
	}
	names := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	loopback, address, service := net.ParseIP("127.0.0.1"), net.ParseIP(Address), net.ParseIP(APIService)
	if err := a.Server("apiserver", names, loopback, address, service); err != nil {
		return nil, err
	}
	if err := a.Server("kubelet", []string{Name}, loopback, address); err != nil {
		return nil, err
	}
	if err := a.ServiceAccounts(); err != nil {
		return nil, err
	}
	for _, c := range []pki.Client{
		{File: "admin", User: "admin", Groups: []string{"system:masters"}},
		{File: "kube-controller-manager", User: "system:kube-controller-manager"},
		{File: "kube-scheduler", User: "system:kube-scheduler"},
		{File: "kube-proxy", User: "system:kube-proxy"},
		{File: "kubelet-client", User: "system:node:" + Name, Groups: []string{"system:nodes"}},
		{File: "apiserver-client", User: "kube-apiserver", Groups: []string{"system:masters"}},
	} {
		if _, err := a.Client(c, "https://"+API); err != nil {
			return nil, err
		}
	}
	return a.Client(pki.Client{File: "external", User: "admin", Groups: []string{"system:masters"}}, server)
}

// configure fills in the configuration files.
func configure(cgroup string) error {
	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	values := map[string]string{
		"Name": Name, "Address": Address, "PodCIDR": PodCIDR, "DNS": DNS, "PKI": pkiDir,
		"Cgroup": cgroup, "Runc": runc, "Pause": Pause, "CoreDNS": CoreDNS,
	}
	all, err := template.New("").Option("missingkey=error").ParseFS(templates, "conf/*")
	if err != nil {
		return err
	}
	for _, t := range all.Templates() {
		file := filepath.Join(confDir, t.Name())
		if t.Name() == "cni.conflist" {
			file = "/run/cni/net.d/10-pods.conflist"
		}
		if err := create(file, nil); err != nil {
			return err
		}
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if err := t.Execute(f, values); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// start starts a program that is to run as long as the node does, with a log
// file of its name. It is started again as often as restarts says.
func (p *programs) start(ctx context.Context, restarts int, name, program string, args ...string) error {
	log, err := os.OpenFile(filepath.Join(p.dir.Logs(), name+".log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, program, args...) //nolint:gosec // ours
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		ended := fmt.Errorf("%s ended (%w); see %s", name, c.Wait(), log.Name())
		_ = log.Close()
		if restarts > 0 {
			ended = p.start(ctx, restarts-1, name, program, args...)
		}
		if ended != nil {
			p.ended <- ended
		}
	}()
	return nil
}

// kubernetes starts one of the programs that Kubernetes is made of.
func (p *programs) kubernetes(ctx context.Context, name string, args ...string) error {
	return p.start(ctx, 0, name, p.Kubernetes, append([]string{name}, args...)...)
}

// until asks again and again, until the answer is yes, or one of the programs
// has ended.
func (p *programs) until(ctx context.Context, what string, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case ended := <-p.ended:
			return ended
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, err)
		case <-again.C:
		}
	}
}
