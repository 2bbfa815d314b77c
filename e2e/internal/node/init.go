package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Init is the first process of the node's namespaces. It starts the second
// one, buries whatever processes the containers' leave, and ends when the
// second does, which ends everything.
func Init(args []string) error {
	child, err := os.StartProcess("/proc/self/exe", append([]string{os.Args[0], "run"}, args...), &os.ProcAttr{ //nolint:gosec // ourselves
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Env: os.Environ(),
	})
	if err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return fmt.Errorf("waiting for processes: %w", err)
		case pid == child.Pid:
			return fmt.Errorf("the node's programs ended with status %d", status.ExitStatus())
		}
	}
}

// prepare makes the namespaces a node: file systems, parameters of the
// kernel, a name, a network.
func prepare(ctx context.Context) error {
	for _, step := range []func(context.Context) error{mounts, parameters, network, plugins} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return unix.Sethostname([]byte(Name))
}

// mounts puts file systems of the node's own where its programs write.
func mounts(context.Context) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mounts of its own: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	for _, dir := range append(hidden, "/var/lib/kubelet", "/var/lib/containerd") {
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // as on any machine
			return err
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755,size=8g"); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return unix.Mount("", "/var/lib/kubelet", "", unix.MS_SHARED, "") // volumes propagate to containers
}

// parameters hides the kernel parameters that the kubelet sets behind files that
// hold the expected values, so that the machine keeps its own, and sets those of
// the node's network.
func parameters(context.Context) error {
	wanted := map[string]string{
		"vm/overcommit_memory":      "1",
		"vm/panic_on_oom":           "0",
		"kernel/panic":              "10",
		"kernel/panic_on_oops":      "1",
		"kernel/keys/root_maxkeys":  "1000000",
		"kernel/keys/root_maxbytes": "25000000",
	}
	for name, value := range wanted {
		file := filepath.Join("/run/cluster/sysctl", name)
		if err := create(file, []byte(value+"\n")); err != nil {
			return err
		}
		if err := unix.Mount(file, filepath.Join("/proc/sys", name), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("hiding %s: %w", name, err)
		}
	}
	// Pod to pod on the bridge has to pass nftables too: for policies, and for
	// answers through a ClusterIP. No redirects and no limit of ICMP: they use
	// up the refusals of a Service without endpoints, whose clients then wait.
	for name, value := range map[string]string{
		"net/ipv4/ip_forward":                  "1",
		"net/ipv4/conf/all/send_redirects":     "0",
		"net/ipv4/conf/default/send_redirects": "0",
		"net/ipv4/icmp_ratelimit":              "0",
		"net/bridge/bridge-nf-call-iptables":   "1",
	} {
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644); err != nil {
			return fmt.Errorf("the node's network: %w", err)
		}
	}
	return nil
}

// network makes the bridge that pods are connected to.
func network(ctx context.Context) error {
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "cni0", "type", "bridge"},
		{"address", "add", Address + "/16", "dev", "cni0"},
		{"link", "set", "cni0", "up"},
		{"route", "add", "default", "dev", "cni0"}, // the kubelet requires one; it leads nowhere
	} {
		if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil { //nolint:gosec // the words above
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
	}
	return nil
}

// plugins puts the machine's CNI plugins and ours into one directory.
func plugins(context.Context) error {
	const bin = "/run/cni/bin"
	if err := os.MkdirAll(bin, 0o755); err != nil { //nolint:gosec // programs
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	links := map[string]string{"netpold": self}
	for _, name := range []string{"bridge", "host-local", "loopback"} {
		if links[name], err = Plugin(name); err != nil {
			return err
		}
	}
	for name, program := range links {
		if err := os.Symlink(program, filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	return nil
}

// Plugin finds one of the standard CNI plugins, where Debian or their own
// makers put them.
func Plugin(name string) (string, error) {
	var err error
	for _, dir := range []string{"/usr/lib/cni", "/opt/cni/bin"} {
		file := filepath.Join(dir, name)
		if _, e := os.Stat(file); e == nil {
			return file, nil
		} else if err == nil {
			err = e
		}
	}
	return "", fmt.Errorf("the CNI plugin %s: %w", name, err)
}

func create(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // in the node's own file system
		return err
	}
	return os.WriteFile(name, data, 0o600)
}
