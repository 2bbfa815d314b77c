package tools_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/tools"
)

// granting is a manifest for Kubernetes that the cases break in one place each.
const granting = `name: restart
title: Restart
description: Restarts a deployment.
input_schema:
  type: object
  additionalProperties: false
  required: [namespace, name]
  properties:
    namespace: {type: string, enum: [staging]}
    name: {type: string, pattern: "^[a-z]+$"}
    free: {type: string}
    count: {type: integer}
mapping: {action: restart, resource: deployment, namespace: $.namespace, name: $.name}
risk: {read_only: false}
plan: never
runner: kube
container:
  image: registry.example.com/tool@sha256:0000000000000000000000000000000000000000000000000000000000000000
  command: [/tool, "--name=${name}"]
  env: {LEVEL: debug}
network: [{cidr: 192.0.2.0/24, port: 443}]
permissions:
  kubernetes: [{group: apps, resource: deployments, verbs: [get, patch]}]
limits: {timeout: 30s, memory_mib: 128, processes: 64, output_bytes: 65536}
`

func TestLoadRefusesToGrant(t *testing.T) {
	load(t, dir(granting))
	rule := "{group: apps, resource: deployments, verbs: [get, patch]}"
	for name, tt := range map[string]struct{ reason, old, new, want string }{
		"Secrets":       {"no agent reads them", rule, `{group: "", resource: secrets, verbs: [get]}`, "secrets are never granted"},
		"Accounts":      {"a run could act as another account", rule, `{group: "", resource: serviceaccounts/token, verbs: [create, get]}`, "never granted"},
		"Exec":          {"it gives access to other processes", rule, `{group: "", resource: pods/exec, verbs: [create, get]}`, "never granted"},
		"Nodes":         {"the kubelet does what it is told", rule, `{group: "", resource: nodes, verbs: [get]}`, "never granted"},
		"RBAC":          {"they grant permissions", rule, `{group: rbac.authorization.k8s.io, resource: roles, verbs: [get]}`, "never granted"},
		"Webhooks":      {"the same", rule, `{group: admissionregistration.k8s.io, resource: validatingwebhookconfigurations, verbs: [get]}`, "never granted"},
		"Leases":        {"a run acquires its Lease through them", rule, `{group: coordination.k8s.io, resource: leases, verbs: [patch]}`, "never granted"},
		"AnyResource":   {"it would be everything", rule, `{group: apps, resource: "*", verbs: [get]}`, "invalid resource"},
		"AnyGroup":      {"the same", rule, `{group: "*", resource: deployments, verbs: [get]}`, "invalid resource"},
		"AnyVerb":       {"the same", rule, `{group: apps, resource: deployments, verbs: ["*"]}`, `"*" is not one of`},
		"Impersonate":   {"a verb that no object has", rule, `{group: apps, resource: deployments, verbs: [impersonate]}`, "is not one of"},
		"NoVerbs":       {"a rule that grants nothing", rule, `{group: apps, resource: deployments, verbs: []}`, "lacks its verbs"},
		"ListOne":       {"a list can't be of one", rule, `{group: apps, resource: deployments, verbs: [list]}`, "say objects: all"},
		"CreateAlone":   {"the cluster knows by the others which one", rule, `{group: apps, resource: deployments, verbs: [create]}`, "must also get or patch"},
		"Objects":       {"a word that means nothing", rule, `{group: apps, resource: deployments, verbs: [get], objects: some}`, "objects is all or left out"},
		"When":          {"the same", rule, `{group: apps, resource: deployments, verbs: [get], when: later}`, "when is plan, run"},
		"NoName":        {"there would be no one object", "name: $.name}", "name: ''}", "has no name"},
		"NoNamespace":   {"no permission is granted in all namespaces", "namespace: $.namespace", "namespace: ''", "mapping.namespace must be set"},
		"WritingReader": {"a reader that writes", "read_only: false", "read_only: true", "can't patch"},
		"Tag":           {"a tag is another image tomorrow", "@sha256:0000000000000000000000000000000000000000000000000000000000000000", ":latest", "pinned by digest"},
		"NoRegistry":    {"which registry is the node's to say", "registry.example.com/tool@", "tool@", "must name its registry"},
		"FreeText":      {"a word could be anything", "${name}", "${free}", "must be restricted"},
		"NoArgument":    {"a word that is never filled", "${name}", "${absent}", "not among the properties"},
		"ChosenProgram": {"what runs is the manifest's to say", "[/tool, ", `["/${name}", `, "the program itself"},
		"OurEnv":        {"the executor's own", "LEVEL: debug", "SALLYPORT_LEASE: x", "must be of A-Z"},
		"EnvName":       {"a name that shells read otherwise", "LEVEL: debug", "'a b': x", "must be of A-Z"},
		"CIDR":          {"it would be another network", "192.0.2.0/24", "192.0.2.1/24", "want a CIDR in normal form"},
		"Port":          {"there is none", "port: 443", "port: 0", "port must be"},
		"Protocol":      {"networks have no rules for it", "port: 443", "port: 443, protocol: ICMP", "protocol is TCP"},
		"RuntimeClass":  {"it is no name", "  env: {LEVEL", "  runtime_class: 'a b'\n  env: {LEVEL", "want a DNS label"},
		"Planned":       {"an image of its own cannot plan", "plan: never", "plan: always", "cannot plan"},
		"Sandboxed":     {"the sandbox grants no permissions in Kubernetes", "runner: kube", "runner: sandbox", "are for runner: kube"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(granting, tt.old, tt.new, 1)
			if text == granting {
				t.Fatal("the case breaks nothing")
			}
			if _, err := tools.Load(dir(text)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Load = %v; want %q: %s", err, tt.want, tt.reason)
			}
		})
	}
}

func TestFill(t *testing.T) {
	arguments := map[string]any{"name": "a b", "count": json.Number("7"), "yes": true, "dash": "-x"}
	for name, tt := range map[string]struct {
		reason string
		words  []string
		want   []string
		ok     bool
	}{
		"Words":    {"one word each, whatever stands in them", []string{"${name}", "--count=${count}", "${yes}", "$(name) $name"}, []string{"a b", "--count=7", "true", "$(name) $name"}, true},
		"Absent":   {"a word of an optional argument goes with it", []string{"a", "--x=${absent}", "b"}, []string{"a", "b"}, true},
		"Option":   {"a program would take it for one of its options", []string{"${dash}"}, nil, false},
		"OfOption": {"here it is a value", []string{"--x=${dash}"}, []string{"--x=-x"}, true},
		"Twice":    {"what was filled in is not read again", []string{"${name}${name}"}, []string{"a ba b"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := tools.Fill(tt.words, arguments)
			if d := cmp.Diff(tt.want, got); ok != tt.ok || d != "" {
				t.Errorf("Fill = %q, %t: %s\n%s", got, ok, tt.reason, d)
			}
		})
	}
}

// TestFor: agents don't see tools that the gateway could not run.
func TestFor(t *testing.T) {
	all := load(t, tools.Embedded())
	for _, runner := range []string{tools.RunnerSandbox, tools.RunnerKube} {
		some := all.For(runner)
		if len(some.Tools()) == 0 {
			t.Errorf("there is no tool for %s", runner)
		}
		for _, tool := range some.Tools() {
			if tool.Runner != runner {
				t.Errorf("%s is for %s, not %s", tool.Name, tool.Runner, runner)
			}
		}
	}
	if n := len(all.For().Tools()); n != 0 {
		t.Errorf("without a runner there are %d tools", n)
	}
}
