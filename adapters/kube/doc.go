// Package kube runs calls in Kubernetes: one Job per call, in a namespace made
// for such Jobs, as a ServiceAccount that exists for this call alone and may
// do what the tool's manifest says, to the object that the call is about.
//
// A run is found again by its name, which is made of the call's id: whoever
// finds the Job there already adopts it, and nobody makes a second one. What
// the executor writes is guarded twice more: it takes the call's Lease before
// it acts, and it leaves the call's id on the object. So a Job keeps its
// finalizer, and has no time to live, until its outcome is recorded.
//
// The outcome comes by one of two ways, whichever is faster. The executor posts
// it to the worker that waits, with a token for this one reply; or the pod's
// end is seen, and its log read. Each suffices.
//
// Before an outcome is returned, what the call was lent is taken back: first
// the RoleBinding, then everything else of the call but the Job.
package kube
