// Package k8s holds the built-in tools for Kubernetes. Only the executor that
// runs in a pod links it: each pod is made for one call, and its ServiceAccount
// has least privilege: the permissions that this call needs.
//
// A write has three steps, each of which can be repeated. The tool reads the
// object; it makes the plan from that version, which must be the approved plan;
// and it writes by compare-and-swap, to exactly that version (optimistic
// concurrency). It leaves the call's id on the object, so that the worker can
// find its effect.
package k8s

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools/wire"
)

// longestFailure bounds the text of a failure, in characters.
const longestFailure = 2000

// call is one request, with the cluster and the lease to carry it out.
type call struct {
	wire.Request

	cluster *Cluster
	lease   Lease
}

// tool is a built-in tool. One that reads has read; one that writes has target and
// draft instead, and may have check.
type tool struct {
	read func(context.Context, *call) (any, error)

	check    func(*call) error // the checks that need no request to the cluster
	target   func(*call) (schema.GroupVersionResource, error)
	draft    drafter
	vanishes bool // the effect is that the object is gone
}

func all() map[string]tool {
	return map[string]tool{
		"k8s_get_deployment":     {read: getDeployment},
		"k8s_list_pods":          {read: listPods},
		"k8s_pod_logs":           {read: podLogs},
		"k8s_scale_deployment":   {check: checkScale, target: isDeployment, draft: draftScale},
		"k8s_restart_deployment": {check: checkNamed, target: isDeployment, draft: draftRestart},
		"k8s_delete_pod":         {check: checkNamed, target: isPod, draft: draftDeletion, vanishes: true},
		"k8s_apply_manifest":     {check: checkApply, target: appliedResource, draft: draftApply},
	}
}

// Names of the tools that Run has, sorted.
func Names() []string { return slices.Sorted(maps.Keys(all())) }

// Run carries out a request. The response holds any error. A run that writes must
// hold the lease; other requests need none.
func Run(ctx context.Context, req wire.Request, cluster *Cluster, lease Lease) wire.Response {
	t, ok := all()[req.Intent.Tool.Name]
	if !ok {
		return failure(failf(sallyport.CodeUnknownTool, "this executor has no tool %.64q", req.Intent.Tool.Name))
	}
	c := &call{Request: req, cluster: cluster, lease: lease}
	res, err := c.respond(ctx, t)
	if err != nil {
		return failure(err)
	}
	return res
}

func (c *call) respond(ctx context.Context, t tool) (wire.Response, error) {
	if err := c.checkNames(); err != nil {
		return wire.Response{}, err
	}
	if t.read != nil {
		return c.respondRead(ctx, t)
	}
	if err := t.check(c); err != nil {
		return wire.Response{}, err
	}
	w, err := c.writer(t)
	if err != nil {
		return wire.Response{}, err
	}
	switch c.Mode {
	case wire.ModePlan:
		return w.plan(ctx)
	case wire.ModeRun:
		return w.run(ctx)
	case wire.ModeReconcile:
		return w.reconcile(ctx)
	default:
		return wire.Response{}, failf(sallyport.CodeInvalidArguments, "there is no mode %.64q", c.Mode)
	}
}

func (c *call) respondRead(ctx context.Context, t tool) (wire.Response, error) {
	switch c.Mode {
	case wire.ModePlan:
		return wire.PlanNothing("reads in %s and changes nothing", c.Intent.Namespace)
	case wire.ModeRun:
		v, err := t.read(ctx, c)
		if err != nil {
			return wire.Response{}, err
		}
		return wire.Result(v)
	case wire.ModeReconcile:
		return wire.Response{}, failf(sallyport.CodeNotSeen, "the tool only reads and has no effect on its target")
	default:
		return wire.Response{}, failf(sallyport.CodeInvalidArguments, "there is no mode %.64q", c.Mode)
	}
}

var (
	namespaceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	objectName    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
)

// checkNames checks the names that become part of URLs: the executor does not
// rely on the worker's checks.
func (c *call) checkNames() error {
	if !namespaceName.MatchString(c.Intent.Namespace) {
		return failf(sallyport.CodeInvalidArguments, "invalid namespace %.64q; want a DNS label", c.Intent.Namespace)
	}
	if n := c.Intent.Name; n != "" && (len(n) > 253 || !objectName.MatchString(n)) {
		return failf(sallyport.CodeInvalidArguments, "invalid object name %.64q; want a DNS subdomain", n)
	}
	return nil
}

// named are the arguments of a tool that takes no others.
type named struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func checkNamed(c *call) error {
	var a named
	if err := c.decode(&a); err != nil {
		return err
	}
	return c.agrees(a.Namespace, a.Name)
}

// agrees refuses a call whose arguments name another object than its intent:
// policy evaluated the intent.
func (c *call) agrees(namespace, name string) error {
	if namespace != c.Intent.Namespace || name != c.Intent.Name || name == "" {
		return failf(sallyport.CodeInvalidArguments, "the arguments name another object than the intent")
	}
	return nil
}

// decode reads a call's arguments.
func (c *call) decode(arguments any) error {
	if err := strict.Decode(c.Intent.Arguments, arguments); err != nil {
		return failf(sallyport.CodeInvalidArguments, "cannot parse the arguments: %v", err)
	}
	return nil
}

// failed is a tool's failure as an error.
type failed struct {
	code, message string
}

func (f *failed) Error() string { return f.message }

func failf(code, format string, args ...any) error {
	return &failed{code: code, message: fmt.Sprintf(format, args...)}
}

// codeOf is the code of a failure, or "".
func codeOf(err error) string {
	if f, ok := errors.AsType[*failed](err); ok {
		return f.code
	}
	return ""
}

func failure(err error) wire.Response {
	f, ok := errors.AsType[*failed](err)
	if !ok {
		f = &failed{code: sallyport.CodeInternal, message: err.Error()}
	}
	return wire.Response{Error: &sallyport.Failure{Code: f.code, Message: sallyport.Shorten(sallyport.Visible(f.message), longestFailure)}}
}
