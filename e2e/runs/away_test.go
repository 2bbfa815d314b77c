//go:build e2e

package runs_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

// TestAway: the API server answers nobody for half a minute. What was about to
// be made is made later, what ran is found, and each effect happens once.
//
// It is no parallel test: for all others the API server is away too.
func TestAway(t *testing.T) {
	const away = 30 * time.Second
	server := apiServer(t)
	for name, moment := range map[string]func(i sallyport.Intent){
		"Before": func(sallyport.Intent) {},
		"MidWrite": func(i sallyport.Intent) {
			eventually(t, "its Job", func(context.Context) bool { return len(jobs(t, i.CallID)) == 1 })
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := deployment(t, 1)
			r := runnerFor(t, bench.worker, 30*time.Second) // as by default
			i := intent(t, "k8s_scale_deployment", map[string]any{"namespace": "staging", "name": d.Name, "replicas": 2})
			outcome := make(chan sallyport.Outcome, 1)
			run := func() {
				o, err := r.Run(t.Context(), allowed(t, i))
				if err != nil {
					t.Error(err)
				}
				outcome <- o
			}
			if name == "MidWrite" {
				go run()
			}
			moment(i)
			stop(t, server)
			if name == "Before" {
				go run()
			}
			resume := time.AfterFunc(away, func() { _ = syscall.Kill(server, syscall.SIGCONT) })
			defer resume.Stop()
			o := <-outcome
			if now := current(t, d); o.State != sallyport.Succeeded || *now.Spec.Replicas != 2 || now.Annotations[wire.AnnotationCall] != i.CallID || now.Generation != 2 {
				t.Errorf("outcome %+v (%+v), deployment of %d replicas, generation %d; want it scaled once", o, o.Error, *now.Spec.Replicas, now.Generation)
			}
			wantNothingLeft(t, i)
		})
	}
}

// stop holds a process, and lets it go at the end of the test whatever happens.
func stop(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
}

// apiServer finds the cluster's, among the processes of its node.
func apiServer(t *testing.T) int {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		line, err := os.ReadFile(file)
		if err != nil || !bytes.HasPrefix(line, []byte(bench.cluster.Programs.Kubernetes+"\x00kube-apiserver\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && below(pid, bench.cluster.Supervisor()) {
			return pid
		}
	}
	t.Fatal("the API server's process is not found")
	return 0
}

// below reports whether a process is a descendant of another.
func below(pid, ancestor int) bool {
	for pid > 1 && pid != ancestor {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return false
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // state, parent, …
		if pid, err = strconv.Atoi(string(fields[1])); err != nil {
			return false
		}
	}
	return pid == ancestor
}
