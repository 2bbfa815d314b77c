// Package kube runs calls in Kubernetes: one Job per call, in a namespace of its
// own for such Jobs. It grants just-in-time access with least privilege: each
// call has its own ServiceAccount, Role and RoleBinding, which permit what the
// tool's manifest lists, on the object that the call is about.
//
// A run starts at most once. The name of its Job is made of the call's id: a
// worker that finds the Job adopts it, and the API server rejects a second one.
// Two more guards protect the target: the executor acquires the call's Lease
// before it acts, and it leaves the call's id on the object. A Job keeps its
// finalizer, and has no time to live, until the worker has recorded its outcome.
//
// The worker learns the outcome in one of two ways, whichever is faster: the
// executor posts its response to the worker's result receiver, with a token for
// this one response; or the worker sees the pod end and reads its log.
//
// Before the worker returns an outcome, it revokes the call's permissions: it
// deletes the RoleBinding, the Role, the Lease, the ServiceAccount and the
// NetworkPolicy, and keeps the Job.
package kube
