// Package sandbox runs built-in tools on this machine, each call in a process
// of its own without network and without files of the host.
//
// # What a tool has
//
// A tool is the executor (cmd/toolexec, a static Go program) as the first and
// only process in user, mount, pid, network, ipc, uts and cgroup namespaces of
// its own, on a read-only root with /dev/null, /dev/zero, /dev/urandom, its own
// /proc and a small /tmp. It has no capabilities, can't get any, sees no
// environment, no network and no other process. Package
// [github.com/sallyport/sallyport/adapters/sandbox/confine] has the details. It reads a
// request, writes a response, and may ask the broker on file descriptor 3 for
// HTTP requests that its manifest permits. The broker runs in the gateway.
//
// A tool can't write anything that outlives it. To change a file of the
// repository it returns a patch, and the runner commits the patch. So a run whose
// tool crashes or is killed has failed; a run is ambiguous only if the runner
// cannot find out whether its commit was written.
//
// # How it is started
//
// A runner starts one small process, "toolexec launch", which starts the
// executors: if the gateway started them itself, the kernel would copy its page
// tables for every call. Executors are the runner's own children all the same:
// they die with the runner, and the runner waits for them.
//
// # Limits
//
// Memory, threads, CPU time, descriptors and /tmp are bounded by resource
// limits, which hold for the whole sandbox because a tool is one process: it
// can't fork, and can't have memory that the limits don't count. The kernel
// counts threads per user namespace since Linux 5.14; on older kernels all
// sandboxes of one user share the threads of one manifest. With
// [Options.Cgroups], each sandbox has a control group of its own besides.
//
// # Where it works
//
// Linux on amd64 or arm64, as root (a tool is then an unprivileged user id of
// the host that owns nothing) or as any user who may create user namespaces.
// [New] starts a sandbox and reports what is missing. No tool ever runs outside
// of a sandbox.
package sandbox
