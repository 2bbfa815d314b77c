// Package e2e holds what is tested on a real Kubernetes: first of all that
// the cluster which package cluster starts does what other tests rely on. The
// tests are behind the build tag e2e, because they need root and a few of
// Debian's packages, and a first build that takes minutes:
//
//	make e2e
package e2e
