//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
)

const secret = "a-secret-of-the-gateway"

// prey is a set of files and services of the host that every process could read
// or reach without the sandbox.
func prey(t *testing.T) map[string]string {
	t.Helper()
	t.Setenv("SALLYPORT_TEST_SECRET", secret)
	dir := publicDir(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte(secret), 0o644); err != nil {
		t.Fatal(err)
	}
	abstract := fmt.Sprintf("@sallyport-%d", os.Getpid())
	return map[string]string{
		"secret":     secret,
		"host_file":  file,
		"runner_pid": strconv.Itoa(os.Getpid()),
		"tcp":        listen(t, "tcp", "127.0.0.1:0"),
		"unix":       listen(t, "unix", filepath.Join(dir, "socket")),
		"abstract":   listen(t, "unix", abstract),
	}
}

func listen(t *testing.T, network, address string) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestEscape(t *testing.T) {
	with := prey(t)
	r := newRunner(t, manifest(), nil)
	for name, reason := range map[string]string{
		"read_host_file":     "files of the host are none of a tool's business",
		"read_through_root":  "the root of a process must not lead out",
		"read_etc_passwd":    "nothing of the host's root is there",
		"list_root":          "the root holds devices, /proc and /tmp",
		"other_processes":    "it is alone",
		"runner_environment": "secrets are in environments",
		"own_environment":    "it gets none of the gateway's",
		"inherited_files":    "the standard streams and the broker are all it gets",
		"capabilities":       "it has none and can get none",
		"dial_loopback":      "services trust the loopback address",
		"dial_outside":       "there is no network",
		"dial_udp":           "there is no network",
		"dial_abstract_unix": "abstract sockets belong to a network namespace, and are forgotten",
		"dial_unix":          "sockets of the host are reached by path",
		"other_sockets":      "every family is a piece of the kernel to attack",
		"write_everywhere":   "all but /tmp is read-only",
		"replace_executor":   "what the next call runs must not change",
		"exec_from_tmp":      "what it wrote is not to be run",
		"exec_in_memory":     "memory is a place for programs too",
		"executable_memory":  "code comes from the executor alone",
		"fork":               "it is one process, so that limits hold",
		"become_root":        "the namespace has no other user",
		"mount":              "its view of files is final",
		"new_namespace":      "a new user namespace brings capabilities back",
		"join_namespace":     "the host's namespaces are closed",
		"ptrace":             "it traces no other process",
		"bpf":                "programs for the kernel are not for tools",
		"io_uring":           "it gets round system call filters",
		"keyrings":           "they outlive processes and namespaces",
		"perf":               "it measures others",
		"userfaultfd":        "it is an attacker's tool",
		"kernel":             "the machine is not a tool's to run",
		"open_by_handle":     "handles get round the root",
		"outlive_runner":     "it dies with the runner, whatever it wants",
		"raise_limits":       "limits only ever go down",
		"kill_all":           "it signals no other process",
		"foreign_numbers":    "other tables of system calls get round filters",
		"shared_memory":      "all memory counts",
		"ipc":                "it shares no memory with other processes",
		"terminal":           "it has no terminal to write to",
	} {
		t.Run(name, func(t *testing.T) {
			o, err := r.Run(t.Context(), sallyporttest.AllowedPermit(t, intent(name, with), sallyport.Obligations{}))
			if err != nil || o.State != sallyport.StateSucceeded {
				t.Fatalf("the attempt was not made: %+v %+v %v", o, o.Error, err)
			}
			var got struct {
				Escaped bool   `json:"escaped"`
				Detail  string `json:"detail"`
			}
			if err := json.Unmarshal(o.Result, &got); err != nil {
				t.Fatal(err)
			}
			if got.Escaped {
				t.Errorf("it got out (%s): %s", got.Detail, reason)
			}
			t.Log(got.Detail)
		})
	}
}
