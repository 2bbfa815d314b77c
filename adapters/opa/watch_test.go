package opa_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/opa"
	"github.com/sallyport/sallyport/policies"
)

// never polls, so that only notifications can wake the engine.
const never = 24 * time.Hour

const (
	cap10 = `    replica_cap: 10`
	cap3  = `    replica_cap: 3`
)

// watched loads the policy of a directory, and returns when it is watched.
func watched(t *testing.T, dir string, poll time.Duration) (*opa.Engine, log) {
	t.Helper()
	lines := make(log, 1024)
	e, err := opa.New(t.Context(), opa.Options{Dir: dir, Logger: newLogger(lines), Poll: poll, Timeout: time.Minute})
	if err != nil {
		t.Logf("New: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- e.Watch(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Watch: %v", err)
		}
	})
	lines.await(t, "policy directory watched")
	return e, lines
}

// dataWithCap3 is the default data with staging's cap of replicas at 3.
func dataWithCap3(t *testing.T) string {
	t.Helper()
	data := string(policyFS(t, nil)["data.yaml"].Data)
	if !strings.Contains(data, cap10) {
		t.Fatalf("the default data have no %q", cap10)
	}
	return strings.Replace(data, cap10, cap3, 1)
}

func wantEffect(t *testing.T, e *opa.Engine, want sallyport.Effect) {
	t.Helper()
	d, err := e.Decide(t.Context(), question(t))
	if err != nil || d.Effect != want {
		t.Errorf("Decide = %s %v, %v; want %s", d.Effect, d.Reasons, err, want)
	}
}

func TestWatchLoadsWhatIsWritten(t *testing.T) {
	for name, write := range map[string]func(t *testing.T, path, content string){
		"InPlace": func(t *testing.T, path, content string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		// As editors save: beside it, then in its place.
		"ByRename": func(t *testing.T, path, content string) {
			t.Helper()
			beside := path + "~"
			if err := os.WriteFile(beside, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(beside, path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeDir(t, dir, policies.FS())
			e, lines := watched(t, dir, never)
			first := e.Revision()
			wantEffect(t, e, sallyport.Allow)
			write(t, filepath.Join(dir, "data.yaml"), dataWithCap3(t))
			if second := lines.await(t, "policy loaded")["revision"]; second == first || second != e.Revision() {
				t.Errorf("revision %q after %q; the engine says %q", second, first, e.Revision())
			}
			wantEffect(t, e, sallyport.Deny)
		})
	}
}

// TestWatchFollowsConfigMaps: Kubernetes swaps the symbolic link ..data, and
// the files are links through it.
func TestWatchFollowsConfigMaps(t *testing.T) {
	dir := t.TempDir()
	publish := func(version string, fsys map[string]string) {
		t.Helper()
		for name, content := range fsys {
			to := filepath.Join(dir, ".."+version, name)
			if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(to, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		link(t, ".."+version, filepath.Join(dir, "..data_tmp"))
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{}
	for name, file := range policyFS(t, nil) {
		files[name] = string(file.Data)
		if first, _, nested := strings.Cut(name, "/"); nested {
			link(t, "..data/"+first, filepath.Join(dir, first))
		} else {
			link(t, "..data/"+name, filepath.Join(dir, name))
		}
	}
	publish("2026_11_23_1", files)
	e, lines := watched(t, dir, never)
	wantEffect(t, e, sallyport.Allow)
	files["data.yaml"] = dataWithCap3(t)
	publish("2026_11_23_2", files)
	lines.await(t, "policy loaded")
	wantEffect(t, e, sallyport.Deny)
}

func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
}

// TestWatchFollowsTheDirectory when it is itself a link that is swapped.
func TestWatchFollowsTheDirectory(t *testing.T) {
	parent := t.TempDir()
	writeDir(t, filepath.Join(parent, "v1"), policies.FS())
	writeDir(t, filepath.Join(parent, "v2"), policyFS(t, map[string]string{"data.yaml": dataWithCap3(t)}))
	current := filepath.Join(parent, "current")
	link(t, "v1", current)
	e, lines := watched(t, current, never)
	link(t, "v2", current+".new")
	if err := os.Rename(current+".new", current); err != nil {
		t.Fatal(err)
	}
	lines.await(t, "policy loaded")
	wantEffect(t, e, sallyport.Deny)
}

// TestWatchPolls: nothing notifies of a link two directories up.
func TestWatchPolls(t *testing.T) {
	top := t.TempDir()
	writeDir(t, filepath.Join(top, "v1", "policy"), policies.FS())
	writeDir(t, filepath.Join(top, "v2", "policy"), policyFS(t, map[string]string{"data.yaml": dataWithCap3(t)}))
	current := filepath.Join(top, "current")
	link(t, "v1", current)
	e, lines := watched(t, filepath.Join(current, "policy"), 50*time.Millisecond)
	link(t, "v2", current+".new")
	if err := os.Rename(current+".new", current); err != nil {
		t.Fatal(err)
	}
	lines.await(t, "policy loaded")
	wantEffect(t, e, sallyport.Deny)
}

func TestWatchKeepsTheLastGoodPolicy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "policy")
	writeDir(t, dir, policies.FS())
	e, lines := watched(t, dir, never)
	good := e.Revision()

	bad := filepath.Join(dir, "bad.rego")
	if err := os.WriteFile(bad, []byte("package x\n\np {"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := lines.await(t, "policy refused")
	for strings.Contains(got["error"], "empty") { // read before it was written
		got = lines.await(t, "policy refused")
	}
	if !strings.Contains(got["error"], "bad.rego:3: ") || got["kept_revision"] != good {
		t.Errorf("logged %v; want file, line and that %s was kept", got, good)
	}
	if e.Fault() == nil || e.Ready() != nil || e.Revision() != good {
		t.Errorf("Fault = %v, Ready = %v, Revision = %q; want a fault, and %q to decide", e.Fault(), e.Ready(), e.Revision(), good)
	}
	wantEffect(t, e, sallyport.Allow)

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if got := lines.await(t, "policy refused"); got["kept_revision"] != good {
		t.Errorf("without a directory: logged %v", got)
	}
	wantEffect(t, e, sallyport.Allow)

	writeDir(t, dir, policyFS(t, map[string]string{"data.yaml": dataWithCap3(t)}))
	lines.await(t, "policy loaded")
	wantEffect(t, e, sallyport.Deny)
	if err := e.Fault(); err != nil {
		t.Errorf("Fault = %v after a good policy", err)
	}

	// The new directory is watched as the old one was.
	data := policyFS(t, nil)["data.yaml"].Data
	if err := os.WriteFile(filepath.Join(dir, "data.yaml"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	lines.await(t, "policy loaded")
	wantEffect(t, e, sallyport.Allow)
}

// TestWatchHealsABrokenStart: what was not ready becomes so.
func TestWatchHealsABrokenStart(t *testing.T) {
	dir := t.TempDir()
	e, lines := watched(t, dir, never)
	if e.Ready() == nil {
		t.Fatal("ready without a policy")
	}
	writeDir(t, dir, policies.FS())
	lines.await(t, "policy loaded")
	if err := e.Ready(); err != nil {
		t.Errorf("Ready = %v", err)
	}
}

func TestWatchOfAnEmbeddedPolicyEnds(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := newEngine(t, opa.Options{}).Watch(ctx); err != nil {
		t.Errorf("Watch = %v", err)
	}
}

// TestReloadUnderLoad: every decision is made by one policy, whole.
func TestReloadUnderLoad(t *testing.T) {
	dir := t.TempDir()
	writeDir(t, dir, policies.FS())
	e := newEngine(t, opa.Options{Dir: dir})
	effects := map[string]sallyport.Effect{e.Revision(): sallyport.Allow}
	contents := []string{dataWithCap3(t), string(policyFS(t, nil)["data.yaml"].Data), "broken: ["}
	reload := func(content string) {
		if err := os.WriteFile(filepath.Join(dir, "data.yaml"), []byte(content), 0o600); err != nil {
			t.Error(err)
		}
		_ = e.Reload(t.Context())
	}
	reload(contents[0])
	effects[e.Revision()] = sallyport.Deny
	if len(effects) != 2 {
		t.Fatal("the second policy was not loaded")
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				d, err := e.Decide(t.Context(), question(t))
				if err != nil || effects[d.Revision] != d.Effect {
					t.Errorf("revision %s says %s, %v; want %s", d.Revision, d.Effect, err, effects[d.Revision])
					return
				}
			}
		})
	}
	for i := range 12 {
		reload(contents[i%len(contents)])
	}
	close(stop)
	wg.Wait()
}

func ExampleEngine_Watch() {
	dir, err := os.MkdirTemp("", "policy")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.CopyFS(dir, policies.Development()); err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	e, err := opa.New(ctx, opa.Options{Dir: dir, Logger: newLogger(make(log, 16))})
	if err != nil {
		panic(err) // file, line and reason
	}
	stop() // in a program: go e.Watch(ctx)
	fmt.Println(e.Watch(ctx), e.Ready())
	// Output: <nil> <nil>
}
