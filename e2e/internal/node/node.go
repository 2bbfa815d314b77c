// Package node is the one node of a test cluster: a process that supervises
// it from outside, and the first process of namespaces of its own (mounts,
// network, processes, host name, IPC), in which all of Kubernetes runs. When
// that process ends, the kernel ends everything in them, and nothing but
// control groups is left, which the supervisor removes.
package node

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Where things are, as seen from the node.
const (
	Name        = "node1"
	Address     = "10.88.0.1" // of the node, on the bridge that its pods are connected to
	PodCIDR     = "10.88.0.0/16"
	ServiceCIDR = "10.96.0.0/24"
	APIService  = "10.96.0.1"
	DNS         = "10.96.0.10"
	API         = "127.0.0.1:443"
)

// Images that every cluster has.
const (
	Pause   = "cluster.local/pause:1"
	CoreDNS = "cluster.local/coredns:1"
)

// hidden are the directories that the node has its own of: what is below them
// on the machine can't be seen there, and what the node writes stays there.
var hidden = []string{"/run", "/var/lib", "/var/log"} //nolint:gochecknoglobals // a constant in all but form

// Hides returns the directory by which the node hides a file of the machine,
// or "".
func Hides(file string) string {
	for _, dir := range hidden {
		if strings.HasPrefix(file+"/", dir+"/") {
			return dir
		}
	}
	return ""
}

// Config says what a node is made of. It is a file in the cluster's directory.
type Config struct {
	Kubernetes string `json:"kubernetes"` // the program that is all of Kubernetes
	Netpold    string `json:"netpold"`    // the program that enforces policies
	Port       int    `json:"port"`       // of the API server on the machine's loopback; 0 for any
	Keep       bool   `json:"keep"`       // outlives the process that started it
}

// State says what runs. It is a file in the cluster's directory, for as long
// as the cluster runs.
type State struct {
	Supervisor int    `json:"supervisor"` // process
	Node       int    `json:"node"`       // process, the first in the node's namespaces
	Server     string `json:"server"`     // URL of the API server
	Cgroup     string `json:"cgroup"`     // name of the control groups
}

// Dir is a cluster's directory.
type Dir string

// The files in it.
func (d Dir) config() string { return filepath.Join(string(d), "config.json") }
func (d Dir) state() string  { return filepath.Join(string(d), "state.json") }
func (d Dir) lock() string   { return filepath.Join(string(d), "lock") }

// Kubeconfig is the file for clients on this machine.
func (d Dir) Kubeconfig() string { return filepath.Join(string(d), "kubeconfig") }

// Logs has a file per program.
func (d Dir) Logs() string { return filepath.Join(string(d), "logs") }

// Images are archives that the node loads when it starts.
func (d Dir) Images() string { return filepath.Join(string(d), "images") }

// Clear removes what is left of an earlier cluster.
func (d Dir) Clear() error {
	return errors.Join(remove(d.state(), d.Kubeconfig()), os.RemoveAll(d.Logs()), os.RemoveAll(d.Images()))
}

// Configure writes the configuration.
func (d Dir) Configure(c Config) error { return write(d.config(), c) }

// State reads what runs. The error is fs.ErrNotExist before it does.
func (d Dir) State() (State, error) {
	var s State
	return s, read(d.state(), &s)
}

// Lock takes the directory for one cluster, or fails at once with
// syscall.EWOULDBLOCK. It is released when the file is closed, at the latest
// with the process.
func (d Dir) Lock() (*os.File, error) {
	f, err := os.OpenFile(d.lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// write replaces a file in one step, so that no reader sees half of it.
func write(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return replace(name, data)
}

func replace(name string, data []byte) error {
	if err := os.WriteFile(name+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

func read(name string, v any) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}
