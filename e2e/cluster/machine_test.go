//go:build e2e

package cluster_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// snapshot is everything of the machine that a cluster could change, without
// what changes by itself.
type snapshot struct {
	is     map[string]string
	groups []string
}

// more are the control groups that were not there before. Fewer are well: a
// start removes those of a cluster that was killed in an earlier test run.
func (s snapshot) more(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(groups(t), func(g string) bool { return slices.Contains(s.groups, g) })
}

func machine(t *testing.T) snapshot {
	t.Helper()
	is := map[string]string{"mounts": mounts(t)}
	for _, command := range []string{
		"nft list ruleset", "ip -brief link", "ip route", "ip netns list", "hostname",
	} {
		words := strings.Fields(command)
		c := exec.CommandContext(t.Context(), words[0], words[1:]...)
		c.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
		is[command] = string(out)
	}
	for _, name := range []string{
		"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
		"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes", "net/ipv4/ip_forward", "net/ipv4/icmp_ratelimit",
	} {
		value, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if err != nil {
			t.Fatal(err)
		}
		is[name] = string(value)
	}
	for _, dir := range []string{
		"/run", "/var/lib", "/var/lib/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log", "/var/log/pods", "/var/log/containers",
		"/usr/libexec", "/usr/libexec/kubernetes", "/etc/cni", "/etc/kubernetes", "/opt", "/opt/cni", "/opt/containerd",
	} {
		is[dir] = list(t, dir)
	}
	return snapshot{is, groups(t)}
}

// list names the files of a directory, which may not be there.
func list(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return "there is none"
	}
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, "\n")
}

// mounts are those that this process sees.
func mounts(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// groups are the control groups of any cluster or kubelet.
func groups(t *testing.T) (found []string) {
	t.Helper()
	for _, pattern := range []string{"sallyport-e2e-*", "kubepods*", "k8s.io"} {
		for _, at := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
			dirs, err := filepath.Glob(filepath.Join(at, pattern))
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, dirs...)
		}
	}
	return found
}

// inodes are the namespaces of a node, by which its processes are found.
type inodes []string

func namespaces(t *testing.T, pid int) inodes {
	t.Helper()
	var all inodes
	for _, kind := range []string{"mnt", "net", "pid", "uts", "ipc"} {
		inode, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
		if err != nil {
			t.Fatal(err)
		}
		if mine, err := os.Readlink("/proc/self/ns/" + kind); err != nil || mine == inode {
			t.Fatalf("the node shares the namespace %s (%v)", inode, err)
		}
		all = append(all, inode)
	}
	return all
}

// processes are those that are in one of the namespaces.
func (n inodes) processes(t *testing.T) (found []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/ns/*")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, link := range links {
		inode, err := os.Readlink(link)
		process := strings.Split(link, "/")[2]
		if err != nil || !slices.Contains(n, inode) || seen[process] {
			continue
		}
		seen[process] = true
		name, _ := os.ReadFile("/proc/" + process + "/comm") // it may have ended
		found = append(found, process+" "+strings.TrimSpace(string(name)))
	}
	return found
}
