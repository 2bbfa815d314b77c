// Package confine is the inside of the sandbox: the first process in the new
// namespaces confines itself before it becomes the tool.
//
// The launcher starts the executor as "toolexec confine" in user, mount, pid,
// network, ipc, uts and cgroup namespaces of its own, with the privileges of a
// new user namespace. [Exec] needs them and gives them up: it builds a read-only root
// that holds nothing but three devices, /proc and a small /tmp, moves into it,
// sets limits, drops every capability, restricts itself with Landlock and
// seccomp, and replaces itself with the same binary as "toolexec run". Each
// layer is meant to hold alone (defence in depth).
//
// This package does not decide which requests the broker serves: the runner
// does.
package confine

// File descriptors that the runner passes besides the standard three and
// wire.BrokerFD. Both are closed when the tool begins.
const (
	// ControlFD is a stream socket. The runner writes one [Spec] as JSON and
	// shuts its side; it reads an error message, or nothing when the
	// confinement is complete.
	ControlFD = 4
	// BinaryFD is the executor itself, sealed against change.
	BinaryFD = 5
)

// Arguments of the executor, after its name.
const (
	ArgLaunch  = "launch"  // start executors as ArgConfine, see [Launch]
	ArgConfine = "confine" // set up the confinement, then continue as ArgRun
	ArgRun     = "run"     // be the tool
)

// LauncherFD is where a launcher reads orders: messages of a seqpacket socket,
// each one [Order] as JSON, with [OrderFiles] files: an executor's descriptors
// from 0 up to ControlFD, and a pipe to which the launcher writes [Launched].
const (
	LauncherFD = 3
	OrderFiles = ControlFD + 2
)

// Order asks for an executor that runs as this user and group of the host. Root
// says that the runner is root, so that its children must change their user.
type Order struct {
	UID  int  `json:"uid"`
	GID  int  `json:"gid"`
	Root bool `json:"root"`
}

// Launched is the response to an order.
type Launched struct {
	PID   int    `json:"pid"`
	Error string `json:"error"` // why there is no process
}

// Hostname is the host name in a sandbox.
const Hostname = "sandbox"

// UID is the user and group id in a sandbox.
const UID = 65532

// Spec holds the resource limits of a tool.
type Spec struct {
	MemoryMiB  uint64 `json:"memory_mib"`  // writable private memory, without what a Go program only reserves
	Processes  uint64 `json:"processes"`   // threads, because there is only one process
	OpenFiles  uint64 `json:"open_files"`  // file descriptors
	TmpMiB     uint64 `json:"tmp_mib"`     // size of /tmp, and of a file in it
	CPUSeconds uint64 `json:"cpu_seconds"` // of all threads together
}
