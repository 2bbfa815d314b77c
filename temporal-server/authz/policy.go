package authz

import (
	"slices"
	"strings"

	"github.com/sallyport/sallyport"
)

// Call is one request to the Temporal server.
type Call struct {
	Method    string // full gRPC name, with a leading slash
	Namespace string // as the request says it; empty where it names none
	Request   any    // the request message; nil for streams
}

// Policy is the allow list of each role's methods in one namespace. Safe for
// concurrent use.
type Policy struct {
	namespace string
	queues    []string
	rules     map[string]rule
}

// rule is one method's line on the list.
type rule struct {
	roles   []Role
	cluster bool            // the method is about the cluster and names no namespace
	content func(any) error // checks the request; nil where the method suffices
}

// NewPolicy makes the policy of a namespace. Beside the task queue of calls
// there may be others, for benchmarks.
func NewPolicy(namespace string, queues ...string) (*Policy, error) {
	if namespace == "" {
		return nil, sallyport.Errorf(sallyport.Invalid, "no_namespace", "an authorization policy needs the namespace it is for")
	}
	p := &Policy{namespace: namespace, queues: append([]string{taskQueue}, queues...)}
	p.rules = p.list()
	return p, nil
}

// Check returns nil where the caller may make the call, and otherwise an
// error of kind [sallyport.Denied] that says why not. A nil caller sent no
// token.
func (p *Policy) Check(caller *Caller, call Call) error {
	if open(call.Method) {
		return nil
	}
	method := call.Method[strings.LastIndexByte(call.Method, '/')+1:]
	if caller == nil {
		return deny("no_token", "%s needs a bearer token", method)
	}
	r, listed := p.rules[call.Method]
	switch {
	case !listed:
		return deny("not_listed", "%s is not on this server's list of permitted methods", method)
	case !slices.Contains(r.roles, caller.Role):
		return deny("role", "%s is not for a caller whose role is %q", method, caller.Role)
	case !r.cluster && call.Namespace != p.namespace:
		return deny("namespace", "%s is only for namespace %q", method, p.namespace)
	case r.content != nil:
		return r.content(call.Request)
	}
	return nil
}

// open reports whether a method needs no token: it only shows that a Temporal
// server is there, and clients call it before they authenticate.
func open(method string) bool {
	return method == "/grpc.health.v1.Health/Check" || method == workflowService+"GetSystemInfo"
}

func deny(code, format string, args ...any) error {
	return sallyport.Errorf(sallyport.Denied, code, format, args...)
}
