package k8s

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools/wire"
)

const applied = `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"%metadata%}, %top%
"spec": {"replicas": 2%workload%, "template": {%template% "spec": {%spec% "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}%pod%},
"containers": [{"name": "app", "image": "app:1", "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]%capabilities%}%security%}%container%}]}}}}`

// applying makes a request of a manifest with something in one of its places.
func applying(t *testing.T, place, more string) wire.Request {
	t.Helper()
	text := applied
	for _, p := range []string{"metadata", "top", "workload", "template", "spec", "pod", "container", "security", "capabilities"} {
		with := ""
		if p == place {
			with = more
		}
		text = strings.Replace(text, "%"+p+"%", with, 1)
	}
	if place == "whole" {
		text = more
	}
	raw, err := strict.JSON([]byte(`{"namespace": "staging", "manifest": `+text+`}`), strict.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	req := request(t, "k8s_apply_manifest", nil)
	req.Intent.Arguments, req.Intent.Resource = raw, "Deployment"
	for _, kind := range []string{"Service", "Ingress"} {
		if strings.Contains(text, `"kind": "`+kind+`", "metadata": {"name": "api"}, "spec"`) {
			req.Intent.Resource = kind
		}
	}
	return req
}

func aService(spec string) string {
	return `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"}, "spec": {` + spec + `}}`
}

func TestApplyRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ reason, place, more, code string }{
		"Nothing":          {"there is no object", "whole", `null`, sallyport.CodeInvalidArguments},
		"List":             {"policy would see one kind of many", "whole", `{"apiVersion": "v1", "kind": "List", "items": []}`, sallyport.CodeNotApplicable},
		"ListOfAKind":      {"the same", "whole", `{"apiVersion": "apps/v1", "kind": "DeploymentList", "items": []}`, sallyport.CodeNotApplicable},
		"Secret":           {"no agent writes secrets", "whole", `{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "api"}}`, sallyport.CodeNotApplicable},
		"Role":             {"it decides who may do what", "whole", `{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "api"}}`, sallyport.CodeNotApplicable},
		"OtherVersion":     {"its defaults are others", "whole", `{"apiVersion": "extensions/v1beta1", "kind": "Deployment", "metadata": {"name": "api"}}`, sallyport.CodeNotApplicable},
		"OtherGroup":       {"it is another kind of the same name", "whole", `{"apiVersion": "v1", "kind": "Deployment", "metadata": {"name": "api"}}`, sallyport.CodeNotApplicable},
		"OtherKind":        {"policy evaluated another object", "whole", `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"}}`, sallyport.CodeInvalidArguments},
		"OtherName":        {"policy evaluated another object", "whole", `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "db"}}`, sallyport.CodeInvalidArguments},
		"NoName":           {"policy evaluated a name", "whole", `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generateName": "api"}}`, sallyport.CodeInvalidArguments},
		"OtherNamespace":   {"policy evaluated another object", "metadata", `, "namespace": "production"`, sallyport.CodeNotApplicable},
		"NoNamespace":      {"null is another one", "metadata", `, "namespace": null`, sallyport.CodeNotApplicable},
		"GenerateName":     {"its name is unknown", "metadata", `, "generateName": "api-"`, sallyport.CodeNotApplicable},
		"Finalizers":       {"the object could not be deleted", "metadata", `, "finalizers": ["example.com/never"]`, sallyport.CodeNotApplicable},
		"Owner":            {"it would go with another object", "metadata", `, "ownerReferences": []`, sallyport.CodeNotApplicable},
		"UID":              {"it is for the tool to say", "metadata", `, "uid": "1"`, sallyport.CodeNotApplicable},
		"Version":          {"it is for the tool to say", "metadata", `, "resourceVersion": "1"`, sallyport.CodeNotApplicable},
		"ManagedFields":    {"it would take fields from others", "metadata", `, "managedFields": []`, sallyport.CodeNotApplicable},
		"Mark":             {"another call's effect would be seen", "metadata", `, "annotations": {"sallyport.dev/call": "x"}`, sallyport.CodeNotApplicable},
		"Label":            {"it would look like our own", "metadata", `, "labels": {"policy.sallyport.dev/x": "x"}`, sallyport.CodeNotApplicable},
		"LabelOfPods":      {"network policies go by it", "template", `"metadata": {"labels": {"sallyport.dev/call": "x"}},`, sallyport.CodeNotApplicable},
		"Status":           {"it is for the cluster to say", "top", `"status": {},`, sallyport.CodeNotApplicable},
		"SecretVolume":     {"its files are the secret", "spec", `"volumes": [{"name": "v", "secret": {"secretName": "db"}}],`, sallyport.CodeReadsSecrets},
		"ProjectedSecret":  {"the same", "spec", `"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "db"}}]}}],`, sallyport.CodeReadsSecrets},
		"ProjectedUnknown": {"it may be one", "spec", `"volumes": [{"name": "v", "projected": {"sources": [{"vault": {}}]}}],`, sallyport.CodeReadsSecrets},
		"SecondVolume":     {"one that is harmless stands before it", "spec", `"volumes": [{"name": "a", "emptyDir": {}}, {"name": "v", "secret": {}}],`, sallyport.CodeReadsSecrets},
		"CSIVolume":        {"drivers mount secrets", "spec", `"volumes": [{"name": "v", "csi": {"driver": "secrets-store.csi.k8s.io"}}],`, sallyport.CodeReadsSecrets},
		"SecretVariable":   {"the environment is the secret", "container", `, "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "p"}}}]`, sallyport.CodeReadsSecrets},
		"UnknownVariable":  {"it may be one", "container", `, "env": [{"name": "A", "valueFrom": {"vaultRef": {}}}]`, sallyport.CodeReadsSecrets},
		"SecretVariables":  {"the same", "container", `, "envFrom": [{"secretRef": {"name": "db"}}]`, sallyport.CodeReadsSecrets},
		"InitContainer":    {"it could copy the secret", "spec", `"initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "db"}}]}],`, sallyport.CodeReadsSecrets},
		"Account":          {"its pods would act as another account", "spec", `"serviceAccountName": "operator",`, sallyport.CodeOtherAccount},
		"OldAccount":       {"its old name", "spec", `"serviceAccount": "operator",`, sallyport.CodeOtherAccount},
		"Token":            {"for another audience", "spec", `"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],`, sallyport.CodeOtherAccount},
		"HostPath":         {"the node's files are everybody's", "spec", `"volumes": [{"name": "v", "hostPath": {"path": "/"}}],`, sallyport.CodeHostAccess},
		"HostNetwork":      {"policies don't see it", "spec", `"hostNetwork": true,`, sallyport.CodeHostAccess},
		"HostPID":          {"it sees all processes", "spec", `"hostPID": true,`, sallyport.CodeHostAccess},
		"HostIPC":          {"it sees their memory", "spec", `"hostIPC": true,`, sallyport.CodeHostAccess},
		"Privileged":       {"it is the node", "security", `, "privileged": true`, sallyport.CodeHostAccess},
		"Capability":       {"nearly", "capabilities", `, "add": ["SYS_ADMIN"]`, sallyport.CodeHostAccess},
		"ProcMount":        {"it unmasks the kernel's files", "security", `, "procMount": "Unmasked"`, sallyport.CodeHostAccess},
		"HostProcess":      {"privileged, elsewhere", "security", `, "windowsOptions": {"hostProcess": true}`, sallyport.CodeHostAccess},
		"PodHostProcess":   {"the same for all", "pod", `, "windowsOptions": {"hostProcess": true}`, sallyport.CodeHostAccess},
		"GMSA":             {"it is an account of the domain", "pod", `, "windowsOptions": {"gmsaCredentialSpecName": "admin"}`, sallyport.CodeNotApplicable},
		"Root":             {"root in the container is nearly root outside", "pod", `, "runAsUser": 0`, sallyport.CodeHostAccess},
		"ContainerRoot":    {"a container overrules its pod", "security", `, "runAsNonRoot": false`, sallyport.CodeHostAccess},
		"Unconfined":       {"all system calls", "security", `, "seccompProfile": {"type": "Unconfined"}`, sallyport.CodeHostAccess},
		"AppArmor":         {"all files", "pod", `, "appArmorProfile": {"type": "Unconfined"}`, sallyport.CodeHostAccess},
		"SELinux":          {"spc_t is unconfined", "pod", `, "seLinuxOptions": {"type": "spc_t"}`, sallyport.CodeHostAccess},
		"SELinuxUser":      {"a label of the node's own", "security", `, "seLinuxOptions": {"user": "system_u"}`, sallyport.CodeHostAccess},
		"Sysctl":           {"it is the node's", "pod", `, "sysctls": [{"name": "kernel.msgmax", "value": "1"}]`, sallyport.CodeHostAccess},
		"NodeName":         {"it goes around the scheduler", "spec", `"nodeName": "master",`, sallyport.CodeHostAccess},
		"Priority":         {"it evicts the cluster's own pods", "spec", `"priorityClassName": "system-node-critical",`, sallyport.CodeHostAccess},
		"PriorityNumber":   {"the same", "spec", `"priority": 2000001000,`, sallyport.CodeNotApplicable},
		"Toleration":       {"it gets onto the control plane", "spec", `"tolerations": [{"key": "node-role.kubernetes.io/control-plane"}],`, sallyport.CodeHostAccess},
		"Tolerations":      {"the same", "spec", `"tolerations": [{"operator": "Exists"}],`, sallyport.CodeHostAccess},
		"Runtime":          {"it may be no sandbox", "spec", `"runtimeClassName": "host",`, sallyport.CodeNotApplicable},
		"Claim":            {"it may be another workload's data", "spec", `"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "db"}}],`, sallyport.CodeReadsSecrets},
		"CopiedClaim":      {"the same, copied", "spec", `"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"dataSource": {"kind": "PersistentVolumeClaim", "name": "db"}}}}}],`, sallyport.CodeNotApplicable},
		"NamedVolume":      {"the same, by its volume", "spec", `"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"volumeName": "pv-db"}}}}],`, sallyport.CodeNotApplicable},
		"HostPort":         {"it is the node's address", "container", `, "ports": [{"containerPort": 80, "hostPort": 80}]`, sallyport.CodeHostAccess},
		"ProbeElsewhere":   {"the kubelet would make the request", "container", `, "livenessProbe": {"httpGet": {"host": "169.254.169.254", "port": 80}}`, sallyport.CodeHostAccess},
		"TCPElsewhere":     {"the same", "container", `, "startupProbe": {"tcpSocket": {"host": "10.0.0.1", "port": 22}}`, sallyport.CodeHostAccess},
		"HookElsewhere":    {"the same", "container", `, "lifecycle": {"preStop": {"httpGet": {"host": "169.254.169.254", "port": 80}}}`, sallyport.CodeHostAccess},
		"Propagation":      {"mounts would reach the node", "container", `, "volumeMounts": [{"name": "a", "mountPath": "/a", "mountPropagation": "Bidirectional"}]`, sallyport.CodeHostAccess},
		"Unknown":          {"a reviewer has not seen it yet", "container", `, "tomorrow": true`, sallyport.CodeNotApplicable},
		"NotRestricted":    {"it says nothing of privileges", "spec", `"initContainers": [{"name": "i", "image": "i:1"}],`, sallyport.CodeHostAccess},
		"Annotation":       {"an ingress controller would run it", "metadata", `, "annotations": {"nginx.ingress.kubernetes.io/configuration-snippet": "x"}`, sallyport.CodeNotApplicable},
		"PodAnnotation":    {"admission would inject a container", "template", `"metadata": {"annotations": {"vault.hashicorp.com/agent-inject": "true"}},`, sallyport.CodeNotApplicable},
		"ExternalName":     {"its clients are sent elsewhere", "whole", aService(`"type": "ExternalName", "externalName": "db.example.com"`), sallyport.CodeNotApplicable},
		"ExternalIPs":      {"it takes traffic of other hosts", "whole", aService(`"externalIPs": ["10.0.0.1"]`), sallyport.CodeNotApplicable},
		"LoadBalancerIP":   {"the same", "whole", aService(`"loadBalancerIP": "10.0.0.1"`), sallyport.CodeNotApplicable},
		"ClusterIP":        {"it may be another service's", "whole", aService(`"clusterIP": "10.96.0.10"`), sallyport.CodeNotApplicable},
		"Backend":          {"it is no service", "whole", `{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "api"}, "spec": {"defaultBackend": {"resource": {"kind": "Bucket", "name": "b"}}}}`, sallyport.CodeNotApplicable},
	} {
		t.Run(name, func(t *testing.T) {
			for _, mode := range []wire.Mode{wire.ModePlan, wire.ModeRun} {
				req := applying(t, tt.place, tt.more)
				req.Mode = mode
				wantCode(t, Run(t.Context(), req, nowhere(t), Lease{}), tt.code)
			}
			if t.Failed() {
				t.Log(tt.reason)
			}
		})
	}
}

// TestApplyTakes what workloads need, so that the other tests fail for their own reasons alone.
func TestApplyTakes(t *testing.T) {
	for name, tt := range map[string][2]string{
		"Plain":      {"", ""},
		"Namespace":  {"metadata", `, "namespace": "staging", "labels": {"app": "api"}, "annotations": {"description": "c", "prometheus.io/scrape": "true"}`},
		"Extended":   {"metadata", `, "annotations": {"example.com/team": "shop", "linkerd.io/inject": "enabled"}`},
		"Probes":     {"container", `, "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 5}, "lifecycle": {"preStop": {"sleep": {"seconds": 5}}}`},
		"Ephemeral":  {"spec", `"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}}],`},
		"Service":    {"whole", aService(`"type": "ClusterIP", "clusterIP": "None", "selector": {"app": "api"}, "ports": [{"port": 80}]`)},
		"Default":    {"spec", `"serviceAccountName": "default", "hostNetwork": false, "imagePullSecrets": [{"name": "registry"}],`},
		"Volumes":    {"spec", `"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "configMap": {"name": "c"}}, {"name": "d", "projected": {"sources": [{"configMap": {}}, {"downwardAPI": {}}]}}],`},
		"Variables":  {"container", `, "env": [{"name": "A", "value": "b"}, {"name": "C", "valueFrom": {"configMapKeyRef": {}}}], "envFrom": [{"configMapRef": {}, "prefix": "x"}]`},
		"Restricted": {"security", `, "privileged": false, "procMount": "Default", "runAsUser": 65532`},
		"Port80":     {"capabilities", `, "add": ["NET_BIND_SERVICE"]`},
	} {
		t.Run(name, func(t *testing.T) {
			c := &call{Request: applying(t, tt[0], tt[1])}
			c.Annotations = []string{"example.com/", "linkerd.io/inject"}
			if err := checkApply(c); err != nil {
				t.Error(err)
			}
		})
	}
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return u.Object
}

// TestPlansHideValues: agents see plans, so that a plan is no way to read.
func TestPlansHideValues(t *testing.T) {
	was := parse(t, `{"kind": "Deployment", "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter0"}},
		"spec": {"template": {"spec": {"containers": [{"name": "a", "env": [{"name": "KEPT", "value": "hunter1"}, {"name": "OTHER", "value": "hunter2"}, {"name": "GONE", "value": "hunter3"}]}]}}}}`)
	is := parse(t, `{"kind": "Deployment", "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter0"}},
		"spec": {"template": {"spec": {"containers": [{"name": "a", "env": [{"name": "KEPT", "value": "hunter1"}, {"name": "OTHER", "value": "new"}]}]}}}}`)
	hide(was, is)
	before, err := indented(was)
	if err != nil {
		t.Fatal(err)
	}
	after, err := indented(is)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(before+after, "hunter") || !strings.Contains(after, `"new"`) {
		t.Errorf("before %s, after %s", before, after)
	}
	config := parse(t, `{"kind": "ConfigMap", "data": {"kept": "a", "changed": "b"}}`)
	next := parse(t, `{"kind": "ConfigMap", "data": {"kept": "a", "changed": "c"}}`)
	hide(config, next)
	want := map[string]any{"kept": unchanged, "changed": hidden}
	if d := cmp.Diff(want, config["data"]); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestNormal(t *testing.T) {
	u := &unstructured.Unstructured{Object: parse(t, `{"kind": "Deployment", "metadata": {"name": "api", "uid": "1", "resourceVersion": "2", "generation": 3,
		"creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [], "annotations": {"sallyport.dev/call": "x", "sallyport.dev/intent": "y"}}, "spec": {"a": 1}, "status": {"b": 2}}`)}
	want := map[string]any{"kind": "Deployment", "metadata": map[string]any{"name": "api"}, "spec": map[string]any{"a": int64(1)}}
	if d := cmp.Diff(want, normal(u)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if u.GetUID() == "" {
		t.Error("the object itself was changed")
	}
}

func TestChanges(t *testing.T) {
	for name, tt := range map[string]struct{ was, is, want string }{
		"Equal":    {`{"kind":"a"}`, `{"kind":"a"}`, ``},
		"Member":   {`{"kind":"a","spec":{"replicas":1}}`, `{"kind":"a","spec":{"replicas":2}}`, `/spec/replicas 1 2`},
		"New":      {`{"kind":"a"}`, `{"kind":"a","spec":{"replicas":2}}`, `/spec null {"replicas":2}`},
		"Gone":     {`{"kind":"a","x":1}`, `{"kind":"a"}`, `/x 1 null`},
		"Escaped":  {`{"kind":"a","a/b~c":1}`, `{"kind":"a","a/b~c":2}`, `/a~1b~0c 1 2`},
		"InList":   {`{"kind":"a","l":[{"i":1},{"i":2}]}`, `{"kind":"a","l":[{"i":1},{"i":3}]}`, `/l/1/i 2 3`},
		"Longer":   {`{"kind":"a","l":[1]}`, `{"kind":"a","l":[1,2]}`, `/l [1] [1,2]`},
		"Type":     {`{"kind":"a","v":{"x":1}}`, `{"kind":"a","v":[1]}`, `/v {"x":1} [1]`},
		"InOrder":  {`{"kind":"a","z":1,"b":1}`, `{"kind":"a","z":2,"b":2}`, `/b 1 2; /z 1 2`},
		"FalseNow": {`{"kind":"a","v":true}`, `{"kind":"a","v":false}`, `/v true false`},
	} {
		t.Run(name, func(t *testing.T) {
			changes, err := changesOf(parse(t, tt.was), parse(t, tt.is))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range changes {
				got = append(got, c.Path+" "+string(c.Before)+" "+string(c.After))
			}
			if d := cmp.Diff(tt.want, strings.Join(got, "; ")); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestOnlyMarks(t *testing.T) {
	mark := ".metadata.annotations.sallyport.dev/"
	for name, tt := range map[string]struct {
		fields []string
		want   bool
	}{
		"None":  {nil, false},
		"Ours":  {[]string{mark + "call", mark + "intent"}, true},
		"Other": {[]string{mark + "call", ".spec.replicas"}, false},
	} {
		if got := onlyMarks(tt.fields); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestChartSaysTheSame: the chart's admission policies have their own copies of
// the lists.
func TestChartSaysTheSame(t *testing.T) {
	policies, err := os.ReadFile("../../deploy/manifests/admission-manifests.yaml")
	if err != nil {
		t.Fatal(err)
	}
	listed, err := json.Marshal(Annotations())
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{string(listed)}
	for _, s := range safeSysctls() {
		texts = append(texts, fmt.Sprintf("'%s'", s))
	}
	for _, text := range texts {
		if !strings.Contains(string(policies), text) {
			t.Errorf("the policies have no %s", text)
		}
	}
}
