// Package sandbox runs built-in tools on this machine, each call in a process
// of its own that can reach nothing.
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
// what its manifest allows; the broker is this side, in the gateway.
//
// A tool can't write anything that outlives it. One that wants a file of the
// repository changed answers a patch, and the runner commits it. That is why
// a tool that crashes, or is killed, has failed and is not ambiguous: only a
// commit of which nobody knows whether it happened is.
//
// # How it is started
//
// A runner starts one small process, "toolexec launch", which starts the
// executors: the kernel would copy the page tables of a gateway that did it
// itself, for every call. Executors are the runner's own children all the
// same, so that they die with it, and it alone waits for them.
//
// # Limits
//
// Memory, threads, CPU time, descriptors and /tmp are bounded by resource
// limits, which hold for the whole sandbox because a tool is one process: it
// can't fork, and can't have memory that the limits don't count. The kernel
// counts threads per user namespace since Linux 5.14; on older kernels all
// sandboxes of one user share what a manifest grants one of them. Where
// [Options.Cgroups] names control groups that we may use, each sandbox gets
// one of its own besides.
//
// # Where it works
//
// Linux on amd64 or arm64, as root (a tool is then an unprivileged user id of
// the host that owns nothing) or as any user who may create user namespaces.
// [New] tries it and explains what is missing; nothing ever runs unsandboxed.
package sandbox
