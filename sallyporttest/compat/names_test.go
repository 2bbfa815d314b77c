package compat

import (
	"fmt"
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// names are collected from string literals all over the code: those that match
// a pattern, and those in a place that only such a name can be in, such as the
// name of an environment variable of a pod.
var names = []struct {
	pinned
	patterns []string // each must match something
	texts    bool     // search YAML files and templates instead of code
	places   func(s *source, add func(string))
}{
	{
		pinned: pinned{
			"domains.golden", "Domains of digests and commitments, versions of leaves and proofs",
			"digests, leaves and proofs that are stored do not verify any more",
		},
		patterns: []string{`sallyport/[a-z0-9-]+/v[0-9]+`},
	},
	{
		pinned: pinned{
			"types.golden", "typ of signatures, URNs, types of events, headers of keys and payloads",
			"signed calls and votes are refused, receivers of events do not know them, payloads can't be decrypted",
		},
		patterns: []string{
			`sallyport-[a-z]+\+jws`, `urn:sallyport:[a-z]+:?`, `^io\.github\.sallyport\..*`, `^\.v[0-9]+$`, `^application/problem\+json$`,
			`^binary/encrypted$`, `^encryption-key-id$`, `^whsec_$`, `^hmac-sha256:$`, `^redacted:hmac-sha256:$`, `^sha256:$`, `^\[redacted\]$`,
		},
	},
	{
		pinned: pinned{
			"kubernetes.golden", "Labels, annotations, finalizers, name prefixes, audiences and field managers in Kubernetes",
			"a worker of a new version does not find, or does not remove, what an earlier one left in the cluster",
		},
		patterns: []string{`sallyport\.dev(/[a-z-]+)?`, `^agent-tool-[a-z]+-?$`, `^sallyport-reply-$`, `^sallyport-worker$`, `^app\.kubernetes\.io/[a-z-]+$`, `^/var/run/secrets/.*`},
		places:   fields("FieldManager"),
	},
	{
		pinned: pinned{
			"chart_names.golden", "Labels and annotations in the Helm chart, and name prefixes that its admission policies know",
			"the cluster refuses the worker's objects, or no longer refuses those of others",
		},
		patterns: []string{`sallyport\.dev/[a-z-]+`, `agent-tool-[a-z]+-`},
		texts:    true,
	},
	{
		pinned: pinned{
			"environment.golden", "Environment variables that programs read, and that pods of tools get",
			"a setting of an operator has no effect, or a tool's image does not find its call",
		},
		patterns: []string{`\b(SALLYPORT|OTEL|KUBERNETES)_[A-Z_]*\b`},
		places: func(s *source, add func(string)) {
			arguments("os.Getenv", "os.LookupEnv")(s, add)
			each(s, func(f *goFile, n *ast.CompositeLit) {
				switch t := n.Type.(type) {
				case *ast.SelectorExpr:
					if t.Sel.Name == "EnvVar" {
						field(s, f, n, "Name", add)
					}
				case *ast.ArrayType:
					if t, ok := t.Elt.(*ast.SelectorExpr); ok && t.Sel.Name == "EnvVar" {
						for _, e := range n.Elts {
							field(s, f, e.(*ast.CompositeLit), "Name", add)
						}
					}
				}
			})
		},
	},
	{
		pinned: pinned{
			"headers.golden", "Trailers of commits, and HTTP headers that Sallyport defines or that clients set to control it",
			"effects of earlier calls are not found in Git, or clients and receivers miss a header",
		},
		patterns: []string{`^(Sallyport|Webhook|Preference|Idempotency)-[A-Z][A-Za-z-]+$`, `^Prefer$`},
	},
	{
		pinned: pinned{
			"attributes.golden", "Attributes of spans and metrics",
			"dashboards, searches and alerts of operators show nothing",
		},
		places: arguments("attribute.String", "attribute.Int", "attribute.Bool"),
	},
	{
		pinned: pinned{
			"routes.golden", "Paths of the API, of probes and of what executors post to",
			"clients get 404",
		},
		patterns: []string{`^(GET |POST )?/(v1|ledger|codec|healthz|readyz|metrics|openapi\.yaml|version|reply)\b\S*`},
	},
	{
		pinned: pinned{
			"flags.golden", "Flags of programs",
			"scripts and unit files of operators fail",
		},
		places: func(s *source, add func(string)) {
			setter := regexp.MustCompile(`^(String|StringArray|Bool|Int|Int64|Duration)?VarP?$`)
			each(s, func(f *goFile, n *ast.CallExpr) {
				fun, ok := n.Fun.(*ast.SelectorExpr)
				if !ok || len(n.Args) < 3 || !setter.MatchString(fun.Sel.Name) {
					return
				}
				name, _ := s.text(expr{f, n.Args[1]})
				if short, ok := s.text(expr{f, n.Args[2]}); ok && strings.HasSuffix(fun.Sel.Name, "P") {
					name += " -" + short
				}
				add("--" + name)
			})
		},
	},
	{
		pinned: pinned{
			"services.golden", "Names of services, clients and audiences, and of the rules that policies define",
			"tokens are refused, or policies of operators are not found",
		},
		patterns: []string{`^sallyport(-[a-z]+)*$`, `^data\.sallyport\.[a-z]+$`, `^Sallyport[A-Z][a-z]+$`},
	},
}

func TestNames(t *testing.T) {
	for _, n := range names {
		t.Run(n.file, func(t *testing.T) {
			s, found := code(t), map[string]bool{}
			for _, pattern := range n.patterns {
				before := len(found)
				s.matching(regexp.MustCompile(pattern), n.texts, func(name string) { found[name] = true })
				if len(found) == before {
					t.Errorf("nothing in the code matches %s, or other patterns match all of it", pattern)
				}
			}
			if n.places != nil {
				n.places(s, func(name string) { found[name] = true })
			}
			n.hold(t, quoted(slices.Sorted(maps.Keys(found))))
		})
	}
}

// matching visits what matches in string literals, or in YAML files and templates.
func (s *source) matching(pattern *regexp.Regexp, texts bool, add func(string)) {
	visit := func(text string) {
		for _, m := range pattern.FindAllString(text, -1) {
			add(m)
		}
	}
	if !texts {
		s.literals(visit)
		return
	}
	for name, text := range s.texts {
		if strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".tpl") {
			visit(text)
		}
	}
}

// fields adds the constant values of a field in composite literals.
func fields(name string) func(*source, func(string)) {
	return func(s *source, add func(string)) {
		each(s, func(f *goFile, n *ast.CompositeLit) { field(s, f, n, name, func(v string) { add(name + ": " + v) }) })
	}
}

// field adds the constant value of a field in one literal.
func field(s *source, f *goFile, n *ast.CompositeLit, name string, add func(string)) {
	for _, e := range n.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, ok := kv.Key.(*ast.Ident)
		if v, constant := s.text(expr{f, kv.Value}); ok && constant && key.Name == name {
			add(v)
		}
	}
}

// arguments adds the constant first arguments of calls of functions.
func arguments(functions ...string) func(*source, func(string)) {
	return func(s *source, add func(string)) {
		each(s, func(f *goFile, n *ast.CallExpr) {
			fun, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || len(n.Args) == 0 || !slices.Contains(functions, fmt.Sprintf("%s.%s", fun.X, fun.Sel)) {
				return
			}
			if v, ok := s.text(expr{f, n.Args[0]}); ok {
				add(v)
			}
		})
	}
}

// quoted shows names as Go writes them, so that spaces are seen.
func quoted(names []string) []string {
	for i, name := range names {
		names[i] = fmt.Sprintf("%q", name)
	}
	return names
}
