package tools

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/strict"
)

var (
	imageByDigest = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+@sha256:[0-9a-f]{64}$`)
	apiGroup      = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$`)
	apiResource   = regexp.MustCompile(`^[a-z][a-z0-9]{0,62}(/[a-z]{1,63})?$`)
	dnsLabel      = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	envName       = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)
	placeholder   = regexp.MustCompile(`\$\{([^}]*)\}`)
)

// checkKube checks a manifest against the rules of the kube runner: no manifest
// may ask for permissions beyond its call's object (least privilege).
func (e *entry) checkKube(f *strict.Faults) {
	m := e.manifest
	if m.Runner != RunnerKube {
		if m.Container != nil || len(m.Network) > 0 || len(m.Permissions.Kubernetes) > 0 {
			f.Add([]string{"runner"}, "container, network and permissions.kubernetes are for runner: kube")
		}
		return
	}
	if m.Permissions.Git != "" || len(m.Egress) > 0 {
		f.Add([]string{"runner"}, "permissions.git and egress are for runner: sandbox; in Kubernetes it is permissions.kubernetes and network")
	}
	if len(m.Permissions.Kubernetes) > 0 && m.Mapping.Namespace == "" {
		f.Add([]string{"mapping"}, "permissions.kubernetes are for one namespace: mapping.namespace must be set")
	}
	for _, r := range m.Permissions.Kubernetes {
		r.check(f, m)
	}
	for _, n := range m.Network {
		n.check(f)
	}
	if m.Container != nil {
		e.checkContainer(f, *m.Container)
	}
}

// readVerbs change nothing.
var readVerbs = []string{"get", "list"} //nolint:gochecknoglobals // a constant in all but form

func (r KubernetesRule) check(f *strict.Faults, m Manifest) {
	at := []string{"permissions", "kubernetes"}
	if !apiGroup.MatchString(r.Group) || !apiResource.MatchString(r.Resource) {
		f.Add(at, "permissions.kubernetes: invalid resource %q in the group %q; want a plural such as deployments in apps", r.Resource, r.Group)
	}
	if reason := r.forbidden(); reason != "" {
		f.Add(at, "permissions.kubernetes: %s are never granted: %s", r.Resource, reason)
	}
	r.checkVerbs(f, at, m)
	if r.Objects != ObjectsNamed && r.Objects != ObjectsAll {
		f.Add(at, "permissions.kubernetes: objects is all or left out, not %q", r.Objects)
	}
	if r.Objects == ObjectsNamed && m.Mapping.Name == "" {
		f.Add(at, "permissions.kubernetes: the object that the call is about has no name: set mapping.name, or say objects: all")
	}
	if !slices.Contains([]When{WhenBoth, WhenPlan, WhenRun}, r.When) {
		f.Add(at, "permissions.kubernetes: when is plan, run or left out, not %q", r.When)
	}
}

func (r KubernetesRule) checkVerbs(f *strict.Faults, at []string, m Manifest) {
	if len(r.Verbs) == 0 {
		f.Add(at, "permissions.kubernetes: %s lacks its verbs", r.Resource)
	}
	for _, v := range r.Verbs {
		switch {
		case !slices.Contains([]string{"get", "list", "create", "update", "patch", "delete"}, v):
			f.Add(at, "permissions.kubernetes: %q is not one of get, list, create, update, patch and delete", v)
		case m.Risk.ReadOnly && !slices.Contains(readVerbs, v):
			f.Add(at, "permissions.kubernetes: a tool with risk.read_only can't %s", v)
		case v == "list" && r.Objects != ObjectsAll:
			f.Add(at, "permissions.kubernetes: a list is of all objects of the namespace: say objects: all")
		}
	}
	if slices.Contains(r.Verbs, "create") && !slices.Contains(r.Verbs, "get") && !slices.Contains(r.Verbs, "patch") {
		f.Add(at, "permissions.kubernetes: a tool that may create %s must also get or patch them: the verb create alone cannot be limited to one name", r.Resource)
	}
}

// forbidden says why no call is granted permissions on a resource, or "". Each of
// them would give a call more than the object that it is about.
func (r KubernetesRule) forbidden() string {
	resource, sub, _ := strings.Cut(r.Resource, "/")
	switch {
	case resource == "secrets":
		return "no agent reads or writes secrets"
	case resource == "serviceaccounts":
		return "a run with them could act as another account"
	case resource == "pods" && slices.Contains([]string{"exec", "attach", "portforward", "proxy", "ephemeralcontainers"}, sub),
		resource == "nodes", resource == "services" && sub == "proxy":
		return "they give access to other processes"
	case slices.Contains([]string{"rbac.authorization.k8s.io", "admissionregistration.k8s.io", "authentication.k8s.io", "authorization.k8s.io", "certificates.k8s.io", "apiregistration.k8s.io"}, r.Group):
		return "they grant permissions or decide about other requests"
	case r.Group == "coordination.k8s.io":
		return "a run acquires its Lease through them"
	default:
		return ""
	}
}

func (n Network) check(f *strict.Faults) {
	at := []string{"network"}
	if p, err := netip.ParsePrefix(n.CIDR); err != nil || p.Masked() != p {
		f.Add(at, "network: invalid CIDR %q; want a CIDR in normal form, such as 192.0.2.0/24", n.CIDR)
	}
	if n.Port < 1 || n.Port > 65535 {
		f.Add(at, "network: the port must be from 1 to 65535, not %d", n.Port)
	}
	if !slices.Contains([]string{"", "TCP", "UDP"}, n.Protocol) {
		f.Add(at, "network: the protocol is TCP, UDP or left out, not %q", n.Protocol)
	}
}

func (e *entry) checkContainer(f *strict.Faults, c Container) {
	if !imageByDigest.MatchString(c.Image) {
		f.Add([]string{"container", "image"}, "container.image must name its registry and be pinned by digest, such as registry.example.com/tool@sha256:…, not %q", c.Image)
	}
	e.checkWords(f, "command", c.Command)
	e.checkWords(f, "args", c.Args)
	if len(c.Command) > 0 && len(placeholders(c.Command[0])) > 0 {
		f.Add([]string{"container", "command"}, "container.command: the program itself must not come from an argument")
	}
	if e.manifest.Plan != PlanNever {
		f.Add([]string{"plan"}, "a tool with an image of its own cannot plan; set plan: never, and approvers see the arguments")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		if !envName.MatchString(name) || strings.HasPrefix(name, "SALLYPORT_") || strings.HasPrefix(name, "KUBERNETES_") {
			f.Add([]string{"container", "env", name}, "container.env: %q must be of A-Z, 0-9 and _, and begin with neither SALLYPORT_ nor KUBERNETES_", name)
		}
	}
	if c.RuntimeClass != "" && !dnsLabel.MatchString(c.RuntimeClass) {
		f.Add([]string{"container", "runtime_class"}, "container.runtime_class: invalid name %q; want a DNS label", c.RuntimeClass)
	}
}

func (e *entry) checkWords(f *strict.Faults, key string, words []string) {
	for _, word := range words {
		for _, name := range placeholders(word) {
			if reason := e.unfillable(name); reason != "" {
				f.Add([]string{"container", key}, "container.%s: the argument %q in %q %s", key, name, word, reason)
			}
		}
	}
}

func placeholders(word string) []string {
	var names []string
	for _, m := range placeholder.FindAllStringSubmatch(word, -1) {
		names = append(names, m[1])
	}
	return names
}

// unfillable says why an argument must not stand in a command, or "".
func (e *entry) unfillable(name string) string {
	schema, _ := e.manifest.InputSchema.(map[string]any)
	properties, _ := schema["properties"].(map[string]any)
	p, ok := properties[name].(map[string]any)
	switch {
	case !ok:
		return "is not among the properties of input_schema"
	case p["type"] == "integer", p["type"] == "boolean":
		return ""
	case p["type"] != "string":
		return "must say type: string, integer or boolean in its own schema"
	case !restricted(p):
		return "must be restricted by an enum, a const, or a pattern that is anchored at both ends (^…$)"
	default:
		return ""
	}
}

// Fill puts a call's checked arguments, decoded with numbers as they were
// written, into words of a command. ok is false if a word would begin with a dash
// from an argument: a program would read it as an option.
func Fill(words []string, arguments map[string]any) (filled []string, ok bool) {
	for _, word := range words {
		absent := false
		out := placeholder.ReplaceAllStringFunc(word, func(p string) string {
			v, present := arguments[p[2:len(p)-1]]
			absent = absent || !present
			return text(v)
		})
		if absent {
			continue
		}
		if strings.HasPrefix(out, "-") && !strings.HasPrefix(word, "-") {
			return nil, false
		}
		filled = append(filled, out)
	}
	return filled, true
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case interface{ String() string }: // a number as it was written
		return v.String()
	default:
		return ""
	}
}
