package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sallyport/sallyport/e2e/internal/node"
)

// searchPath is where the programs are, of which some are for root alone.
func searchPath() string { return os.Getenv("PATH") + ":/usr/sbin:/sbin" }

// Missing says what this machine lacks to run a cluster, and what to do about
// it. It is nil when nothing is missing.
func Missing(ctx context.Context) error {
	var errs []error
	if os.Geteuid() != 0 {
		errs = append(errs, errors.New("not root, which a node's namespaces need: sudo env \"PATH=$PATH\" make e2e"))
	}
	var packages []string
	for _, p := range []struct{ program, debian string }{
		{"containerd", "containerd"},
		{"ctr", "containerd"},
		{"containerd-shim-runc-v2", "containerd"},
		{"runc", "runc"},
		{"nft", "nftables"},
		{"ip", "iproute2"},
		{"nsenter", "util-linux"},
	} {
		if !installed(p.program) {
			packages = append(packages, p.debian)
		}
	}
	for _, plugin := range []string{"bridge", "host-local", "loopback"} {
		if _, err := node.Plugin(plugin); err != nil {
			packages = append(packages, "containernetworking-plugins")
		}
	}
	if packages = unique(packages); len(packages) > 0 {
		errs = append(errs, fmt.Errorf("programs are missing; on Debian: sudo apt-get install --no-install-recommends %s", strings.Join(packages, " ")))
	}
	return errors.Join(append(errs, kernel(ctx))...)
}

// kernel says what the kernel lacks.
func kernel(ctx context.Context) error {
	var errs []error
	filesystems, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err
	}
	if !strings.Contains(string(filesystems), "\toverlay\n") {
		errs = append(errs, errors.New("the kernel has no overlay file system: sudo modprobe overlay"))
	}
	if _, err := os.Stat("/proc/sys/net/bridge/bridge-nf-call-iptables"); err != nil {
		errs = append(errs, errors.New("the kernel does not filter on bridges: sudo modprobe br_netfilter"))
	}
	if os.Geteuid() != 0 {
		return errors.Join(errs...)
	}
	if out, err := exec.CommandContext(ctx, "unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "true").CombinedOutput(); err != nil {
		errs = append(errs, fmt.Errorf("namespaces can't be made here (%w: %s): in a container, start it with --privileged", err, strings.TrimSpace(string(out))))
	}
	return errors.Join(errs...)
}

func installed(program string) bool {
	for _, dir := range filepath.SplitList(searchPath()) {
		if info, err := os.Stat(filepath.Join(dir, program)); err == nil && info.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}

func unique(all []string) (list []string) {
	seen := map[string]bool{}
	for _, s := range all {
		if !seen[s] {
			seen[s] = true
			list = append(list, s)
		}
	}
	return list
}
