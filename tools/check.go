package tools

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// toolName matches the names that every model API accepts.
var toolName = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

// The runners that a manifest may name.
const (
	RunnerSandbox = "sandbox"
	RunnerKube    = "kube"
)

// check checks a manifest against every rule, and compiles its schema.
func (e *entry) check(f *strict.Faults) {
	m := e.manifest
	if !toolName.MatchString(m.Name) {
		f.Add([]string{"name"}, "the name %q must be 1 to 64 of a-z, 0-9 and _", m.Name)
	}
	if slices.Contains(sallyport.ReservedTools(), m.Name) {
		f.Add([]string{"name"}, "the name %s is reserved for a tool of the gateway's own: choose another", m.Name)
	}
	checkText(f, "title", m.Title, 80)
	checkText(f, "description", m.Description, 2000)
	e.compileAll(f)
	if e.schema != nil {
		m.Mapping.check(f, e)
	}
	checkLimits(f, m.Limits)
	checkWords(f, m)
	checkRisk(f, m)
	checkRedact(f, m)
	e.checkKube(f)
	for _, prefix := range m.Egress {
		if reason := badEgress(prefix); reason != "" {
			f.Add([]string{"egress"}, "%q %s", prefix, reason)
		}
	}
}

// checkRedact refuses invalid pointers, pointers to arguments that the mapping
// uses (a call's target is in leaves and in search terms), and what would keep more
// than the manifest seems to say.
func checkRedact(f *strict.Faults, m Manifest) {
	checkPointers(f, "arguments", m.Redact.Arguments)
	checkPointers(f, "result", m.Redact.Result)
	checkPointers(f, "keep_result", m.Redact.KeepResult)
	if len(m.Redact.KeepResult) > 0 && len(m.Redact.Arguments) == 0 {
		f.Add([]string{"redact", "keep_result"}, "redact.keep_result is for tools with redact.arguments: of others' results all is kept but redact.result")
	}
	for _, word := range []string{m.Mapping.Action, m.Mapping.Resource, m.Mapping.Namespace, m.Mapping.Name} {
		s, _ := newSource(word)
		at := "/" + strings.ReplaceAll(s.argument, ".", "/") + "/"
		for _, p := range m.Redact.Arguments {
			if s.argument != "" && strings.HasPrefix(at, p+"/") {
				f.Add([]string{"redact", "arguments"}, "the mapping uses %s, which is therefore stored and cannot be redacted", p)
			}
		}
	}
}

func checkPointers(f *strict.Faults, name string, pointers []string) {
	if len(pointers) > 100 {
		f.Add([]string{"redact", name}, "redact.%s has at most 100 pointers", name)
	}
	for _, p := range pointers {
		if !sallyport.ValidPointer(p) {
			f.Add([]string{"redact", name}, "invalid JSON Pointer %.80q; want one as in RFC 6901, such as /token", p)
		}
	}
}

func checkText(f *strict.Faults, field, text string, limit int) {
	switch {
	case strings.TrimSpace(text) == "":
		f.Add([]string{field}, "%s must not be empty", field)
	case len(text) > limit:
		f.Add([]string{field}, "%s has at most %d bytes", field, limit)
	case sallyport.Visible(text) != text:
		f.Add([]string{field}, "%s has invisible characters; remove them", field)
	}
}

func checkLimits(f *strict.Faults, l Limits) {
	if l.Timeout < time.Second || l.Timeout > 15*time.Minute {
		f.Add([]string{"limits", "timeout"}, "limits.timeout must be from 1s to 15m, written with its unit")
	}
	for _, limit := range []struct {
		key              string
		value, low, high int
	}{
		{"memory_mib", l.MemoryMiB, 64, 4096},
		{"processes", l.Processes, 16, 1024},
		{"output_bytes", l.OutputBytes, 1 << 10, 4 << 20},
	} {
		if limit.value < limit.low || limit.value > limit.high {
			f.Add([]string{"limits", limit.key}, "limits.%s must be from %d to %d", limit.key, limit.low, limit.high)
		}
	}
}

// checkWords refuses unknown values.
func checkWords(f *strict.Faults, m Manifest) {
	if git := m.Permissions.Git; !slices.Contains([]GitAccess{"", GitRead, GitWrite}, git) {
		f.Add([]string{"permissions", "git"}, "permissions.git is read, write or left out, not %q", git)
	}
	if !slices.Contains([]PlanPolicy{PlanOnAsk, PlanAlways, PlanNever}, m.Plan) {
		f.Add([]string{"plan"}, "plan is on_ask, always or never, not %q", m.Plan)
	}
	if m.Runner != RunnerSandbox && m.Runner != RunnerKube {
		f.Add([]string{"runner"}, "runner is sandbox or kube, not %q", m.Runner)
	}
}

// checkRisk refuses manifests whose parts contradict each other: the stated risk
// of a tool must not be less than its permissions.
func checkRisk(f *strict.Faults, m Manifest) {
	if m.Risk.ReadOnly && m.Risk.Destructive {
		f.Add([]string{"risk"}, "a tool that only reads destroys nothing: risk.read_only and risk.destructive exclude each other")
	}
	at := []string{"permissions", "git"}
	switch git := m.Permissions.Git; {
	case git == GitWrite && m.Risk.ReadOnly:
		f.Add(at, "a tool with permissions.git: write is not risk.read_only")
	case git == GitRead && !m.Risk.ReadOnly:
		f.Add(at, "a tool that writes needs permissions.git: write; one that only reads says risk.read_only: true")
	case git == "" && m.Runner == RunnerSandbox && !m.Risk.ReadOnly:
		f.Add(at, "in the sandbox a tool can write by permissions.git: write alone; one that only reads says risk.read_only: true")
	}
	if m.Permissions.Git != "" && (m.Mapping.Namespace == "" || m.Mapping.Name == "") {
		f.Add([]string{"mapping"}, "permissions.git: the run reads or writes the file <namespace>/<name>.yaml: mapping.namespace and mapping.name must be set")
	}
	if m.Permissions.Git == GitWrite && m.Plan == PlanNever {
		f.Add([]string{"plan"}, "approvers must see the planned commit: a tool with permissions.git: write has plan on_ask or always")
	}
}

// badEgress says why a URL prefix is invalid, or "".
func badEgress(prefix string) string {
	u, err := url.Parse(prefix)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return "must be an absolute http or https URL"
	case u.User != nil, u.RawQuery != "" || u.ForceQuery, u.Fragment != "":
		return "must have no user, query or fragment"
	case u.Path == "":
		return "must have a path, at least /"
	case path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") && u.Path != "/", u.RawPath != "", u.Host != strings.ToLower(u.Host), u.String() != prefix:
		return "must be in normal form: lowercase host, no dot segments, no empty segments, no needless escapes"
	default:
		return ""
	}
}

// EgressAllows reports whether a URL is under one of the manifest's prefixes:
// the same scheme, the same host and port, and a path that is the prefix or
// continues it after a slash. A URL that servers read in different ways is
// under none.
func (m Manifest) EgressAllows(rawURL string) bool {
	u, err := url.Parse(rawURL)
	if err != nil || u.User != nil || u.Fragment != "" || u.RawPath != "" || u.Opaque != "" || strings.ContainsAny(u.Path, "%\\\x00") {
		return false
	}
	if u.Path == "" {
		u.Path = "/"
	}
	if path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") && u.Path != "/" {
		return false
	}
	return slices.ContainsFunc(m.Egress, func(prefix string) bool {
		p, err := url.Parse(prefix)
		if err != nil || u.Scheme != p.Scheme || !strings.EqualFold(u.Host, p.Host) {
			return false
		}
		return u.Path == p.Path || strings.HasPrefix(u.Path, strings.TrimSuffix(p.Path, "/")+"/")
	})
}
