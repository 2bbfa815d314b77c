//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/sandbox"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/tools"
)

func TestMisbehaviour(t *testing.T) {
	for name, tt := range map[string]struct {
		reason string
		do     string
		with   map[string]string
		limits func(*tools.Limits)
		obey   sallyport.Obligations
		code   string // "" is success
	}{
		"Exit":            {reason: "a tool that fails without a word has crashed", do: "exit", with: map[string]string{"status": "7"}, code: "crashed"},
		"ExitSilently":    {reason: "no response is no result", do: "exit", with: map[string]string{"status": "0"}, code: "bad_output"},
		"Segfault":        {reason: "a crash is not a result", do: "segfault", code: "crashed"},
		"OwnError":        {reason: "a tool's own code is kept", do: "say", with: map[string]string{"text": `{"error":{"code":"not_found","message":"no such file"}}`}, code: "not_found"},
		"ErrorNoCode":     {reason: "callers act on codes", do: "say", with: map[string]string{"text": `{"error":{"code":"","message":"x"}}`}, code: "bad_output"},
		"NotJSON":         {reason: "it must be JSON", do: "say", with: map[string]string{"text": "hello"}, code: "bad_output"},
		"Twice":           {reason: "the second response could be another result", do: "say", with: map[string]string{"text": `{"result":1}{"result":2}`}, code: "bad_output"},
		"DuplicateName":   {reason: "readers could take either", do: "say", with: map[string]string{"text": `{"result":1,"result":2}`}, code: "bad_output"},
		"Unknown":         {reason: "the contract has no such member", do: "say", with: map[string]string{"text": `{"result":1,"more":2}`}, code: "bad_output"},
		"Nothing":         {reason: "a response says something", do: "say", with: map[string]string{"text": `{}`}, code: "bad_output"},
		"ResultAndError":  {reason: "it can't be both", do: "say", with: map[string]string{"text": `{"result":1,"error":{"code":"c","message":"m"}}`}, code: "bad_output"},
		"PlanInRun":       {reason: "a run isn't a plan", do: "plan", code: "bad_output"},
		"PatchOfReader":   {reason: "its manifest lets it read only", do: "patch", with: map[string]string{"path": "a", "content": "b"}, code: "bad_output"},
		"PatchAlone":      {reason: "a patch goes with a result", do: "say", with: map[string]string{"text": `{"patch":{"path":"a","content":""}}`}, code: "bad_output"},
		"Timeout":         {reason: "the manifest bounds the time", do: "hang", limits: func(l *tools.Limits) { l.Timeout = time.Second }, code: "timeout"},
		"Obligation":      {reason: "a decision shortens the time", do: "hang", obey: sallyport.Obligations{TimeoutSeconds: 1}, code: "timeout"},
		"Spin":            {reason: "the clock strikes before the CPU limit does", do: "spin", limits: func(l *tools.Limits) { l.Timeout = time.Second }, code: "timeout"},
		"Memory":          {reason: "the manifest bounds the memory", do: "eat_memory", with: map[string]string{"mib": "512"}, code: "out_of_memory"},
		"MemoryWithin":    {reason: "a tool gets what it is granted", do: "eat_memory", with: map[string]string{"mib": "40"}},
		"Threads":         {reason: "the manifest bounds the threads", do: "start_thread", code: "crashed"},
		"FloodOutput":     {reason: "the manifest bounds the response", do: "flood", code: "output_too_large"},
		"FloodStderr":     {reason: "standard error is read and thrown away", do: "flood_stderr"},
		"Behaved":         {reason: "nothing is wrong", do: "behave"},
		"ObligationLater": {reason: "a decision doesn't lengthen the time", do: "hang", limits: func(l *tools.Limits) { l.Timeout = time.Second }, obey: sallyport.Obligations{TimeoutSeconds: 600}, code: "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			m := manifest()
			if tt.limits != nil {
				tt.limits(&m.Limits)
			}
			r := newRunner(t, m, nil)
			o, err := r.Run(t.Context(), sallyporttest.AllowedPermit(t, intent(tt.do, tt.with), tt.obey))
			if err != nil {
				t.Fatalf("Run: %v; want an outcome, for the tool began", err)
			}
			code := ""
			if o.Error != nil {
				code = o.Error.Code
			}
			if code != tt.code || (o.State == sallyport.StateSucceeded) != (tt.code == "") || o.State == sallyport.StateAmbiguous {
				t.Errorf("outcome %+v (%+v); want code %q: %s", o, o.Error, tt.code, tt.reason)
			}
			if pid := toolOf(os.Getpid()); pid != 0 {
				t.Errorf("process %d was left running", pid)
			}
		})
	}
}

func TestDiskIsBounded(t *testing.T) {
	r := newRunner(t, manifest(), nil)
	o, err := r.Run(t.Context(), sallyporttest.AllowedPermit(t, intent("fill_disk", nil), sallyport.Obligations{}))
	if err != nil || o.State != sallyport.StateSucceeded {
		t.Fatalf("%+v (%+v), %v", o, o.Error, err)
	}
	var written int
	if err := json.Unmarshal(o.Result, &written); err != nil {
		t.Fatal(err)
	}
	if written < 1<<20 || written > 8<<20 {
		t.Errorf("the tool wrote %d bytes to /tmp; want more than 1 MiB and at most 8 MiB", written)
	}
}

// TestCgroup runs in a control group where this machine permits to make one, and
// elsewhere checks that New refuses a directory that can't be one.
func TestCgroup(t *testing.T) {
	m := manifest()
	options := sandbox.Options{Executor: executor("executor"), Catalogue: catalogue{m.Name: m}, Cgroups: []string{t.TempDir()}}
	if _, err := sandbox.New(options); sallyport.CodeOf(err) != "no_cgroup" {
		t.Errorf("New with a directory without controllers = %v; want it refused as no_cgroup", err)
	}
	for _, layout := range [][]string{{"/sys/fs/cgroup"}, {"/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"}} {
		dirs, ok := delegated(t, layout)
		if !ok {
			continue
		}
		options.Cgroups = dirs
		r, err := sandbox.New(options)
		if err != nil {
			t.Fatal(err)
		}
		for do, want := range map[string]sallyport.State{"behave": sallyport.StateSucceeded, "start_thread": sallyport.StateFailed} {
			o, err := r.Run(t.Context(), sallyporttest.AllowedPermit(t, intent(do, nil), sallyport.Obligations{}))
			if err != nil || o.State != want {
				t.Errorf("%s = %+v (%+v), %v; want %s", do, o, o.Error, err, want)
			}
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		for _, dir := range dirs {
			if left, _ := filepath.Glob(filepath.Join(dir, "sallyport-*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		}
	}
}

// delegated makes a group for the test in each hierarchy that has the
// controllers, where the kernel permits it.
func delegated(t *testing.T, hierarchies []string) ([]string, bool) {
	t.Helper()
	var dirs []string
	limits := 0
	for _, h := range hierarchies {
		dir, err := os.MkdirTemp(h, "test-") //nolint:usetesting // the kernel makes the files in it
		if err != nil {
			return nil, false
		}
		t.Cleanup(func() { _ = os.Remove(dir) })
		dirs = append(dirs, dir)
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+memory +pids"), 0)
		child := filepath.Join(dir, "child")
		if err := os.Mkdir(child, 0o755); err != nil {
			return nil, false
		}
		for _, file := range []string{"memory.max", "memory.limit_in_bytes", "pids.max"} {
			if _, err := os.Stat(filepath.Join(child, file)); err == nil {
				limits++
			}
		}
		if err := os.Remove(child); err != nil {
			t.Error(err)
		}
	}
	return dirs, limits == 2
}
