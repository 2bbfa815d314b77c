package platform

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KillWorker kills the worker's process, which gets no chance to do anything,
// and has its pod replaced, so that the next one doesn't wait for how often
// this one died.
func (p *Platform) KillWorker(ctx context.Context) error {
	pid, err := p.process("/sallyport", "worker")
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	pods := p.Kube.CoreV1().Pods(Namespace)
	l, err := pods.List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=worker"})
	if err != nil {
		return err
	}
	for _, pod := range l.Items {
		if err := pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
			return err
		}
	}
	return nil
}

// process finds one of the cluster's by the words that it was started with.
func (p *Platform) process(words ...string) (int, error) {
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	var prefix bytes.Buffer
	for _, w := range words {
		prefix.WriteString(w + "\x00")
	}
	for _, file := range all {
		line, err := os.ReadFile(file)
		if err != nil || !bytes.HasPrefix(line, prefix.Bytes()) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && below(pid, p.cluster.Supervisor()) {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("no process %q runs in the cluster", words)
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
