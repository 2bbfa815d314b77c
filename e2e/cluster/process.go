package cluster

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Process finds one of the cluster's processes, in a pod or beside them, by the
// words that it was started with: its program and first arguments.
func (c *Cluster) Process(words ...string) (int, error) {
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
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && below(pid, c.Supervisor()) {
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
