//go:build e2e

package e2e_test

import (
	"context"
	"testing"

	authzv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
)

// A call's id, and the names that go with it.
const (
	callID   = "abcdefghijklmnopqrstuvwxyz"
	callName = "agent-tool-call-" + callID
	planName = "agent-tool-plan-" + callID + "-x1y2z"
)

func meta(namespace, name string) metav1.ObjectMeta {
	mode := "run"
	if name == planName {
		mode = "plan"
	}
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{
		"app.kubernetes.io/managed-by": "sallyport", "sallyport.dev/call": callID, "sallyport.dev/mode": mode,
	}}
}

func callRole(name string) *rbacv1.Role {
	r := &rbacv1.Role{ObjectMeta: meta(target, name), Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "patch"}, ResourceNames: []string{"web"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "patch", "delete"}, ResourceNames: []string{"web"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}},
	}}
	if name == callName {
		r.Rules = append(r.Rules, rbacv1.PolicyRule{
			APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "patch"}, ResourceNames: []string{name},
		})
	}
	return r
}

func callBinding(name string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: meta(target, name),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: executions, Name: name}},
	}
}

func callAccount(name string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: meta(executions, name), AutomountServiceAccountToken: new(false)}
}

func callLease() *coordv1.Lease {
	return &coordv1.Lease{ObjectMeta: meta(target, callName), Spec: coordv1.LeaseSpec{HolderIdentity: new("")}}
}

func callNetwork() *netv1.NetworkPolicy {
	to := func(port int, peer netv1.NetworkPolicyPeer) netv1.NetworkPolicyEgressRule {
		return netv1.NetworkPolicyEgressRule{
			To:    []netv1.NetworkPolicyPeer{peer},
			Ports: []netv1.NetworkPolicyPort{{Port: new(intstr.FromInt(port)), Protocol: new(corev1.ProtocolTCP)}},
		}
	}
	return &netv1.NetworkPolicy{ObjectMeta: meta(executions, callName), Spec: netv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"sallyport.dev/call": callID}},
		PolicyTypes: []netv1.PolicyType{netv1.PolicyTypeEgress},
		Egress: []netv1.NetworkPolicyEgressRule{
			to(6443, netv1.NetworkPolicyPeer{IPBlock: &netv1.IPBlock{CIDR: "192.0.2.1/32"}}),
			to(5432, netv1.NetworkPolicyPeer{IPBlock: &netv1.IPBlock{CIDR: "198.51.100.16/28"}}),
			to(8443, netv1.NetworkPolicyPeer{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": gatewayNamespace}},
				PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/component": "worker"}},
			}),
		},
	}}
}

func callJob() *batchv1.Job {
	s := spec(executorImage)
	s.ServiceAccountName = callName
	s.SecurityContext.RunAsUser = new(int64(65532))
	c := &s.Containers[0]
	c.Name = "tool"
	c.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
	c.Env = []corev1.EnvVar{
		{Name: "SALLYPORT_REQUEST", Value: "{}"},
		{Name: "SALLYPORT_POD_UID", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.uid"}}},
	}
	token := func(audience string) corev1.VolumeProjection {
		return corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", Audience: audience, ExpirationSeconds: new(int64(600))}}
	}
	projected := func(name string, sources ...corev1.VolumeProjection) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: sources}}}
	}
	s.Volumes = []corev1.Volume{
		projected("api", token(""), corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
		}}),
		projected("reply", token("sallyport-reply-"+callName)),
		{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
	}
	m := meta(executions, callName)
	m.Finalizers = []string{"sallyport.dev/outcome"}
	return &batchv1.Job{ObjectMeta: m, Spec: batchv1.JobSpec{
		BackoffLimit: new(int32(0)), ActiveDeadlineSeconds: new(int64(60)), TTLSecondsAfterFinished: new(int32(600)),
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: m.Labels}, Spec: s},
	}}
}

var (
	dry      = metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	dryPatch = metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}}
)

// with makes an attempt of a good object and what is done to it.
func role(change func(*rbacv1.Role)) func(context.Context, kubernetes.Interface) error {
	return func(ctx context.Context, k kubernetes.Interface) error {
		o := callRole(callName)
		change(o)
		_, err := k.RbacV1().Roles(o.Namespace).Create(ctx, o, dry)
		return err
	}
}

func binding(change func(*rbacv1.RoleBinding)) func(context.Context, kubernetes.Interface) error {
	return func(ctx context.Context, k kubernetes.Interface) error {
		o := callBinding(callName)
		change(o)
		_, err := k.RbacV1().RoleBindings(o.Namespace).Create(ctx, o, dry)
		return err
	}
}

func account(change func(*corev1.ServiceAccount)) func(context.Context, kubernetes.Interface) error {
	return func(ctx context.Context, k kubernetes.Interface) error {
		o := callAccount(callName)
		change(o)
		_, err := k.CoreV1().ServiceAccounts(o.Namespace).Create(ctx, o, dry)
		return err
	}
}

func network(change func(*netv1.NetworkPolicy)) func(context.Context, kubernetes.Interface) error {
	return func(ctx context.Context, k kubernetes.Interface) error {
		o := callNetwork()
		change(o)
		_, err := k.NetworkingV1().NetworkPolicies(o.Namespace).Create(ctx, o, dry)
		return err
	}
}

func job(change func(*batchv1.Job)) func(context.Context, kubernetes.Interface) error {
	return func(ctx context.Context, k kubernetes.Interface) error {
		o := callJob()
		change(o)
		_, err := k.BatchV1().Jobs(o.Namespace).Create(ctx, o, dry)
		return err
	}
}

// TestWorkerIsBounded: an attacker with the worker's account, even with all
// rights in the cluster, grants calls no more than their manifests ask for, and
// other accounts nothing.
func TestWorkerIsBounded(t *testing.T) {
	deployed(t)
	const (
		belongs = "the worker makes objects of calls alone"
		grants  = "the worker grants no more than the manifests ask for"
		itsOwn  = "binds the Role of a call to the ServiceAccount of that call alone"
		nothing = "the worker makes nothing of this kind"
		never   = "makes objects of this kind once, and never changes them"
	)
	rule := func(r rbacv1.PolicyRule) func(context.Context, kubernetes.Interface) error {
		return role(func(o *rbacv1.Role) { o.Rules = []rbacv1.PolicyRule{r} })
	}
	try(t, as(t, workerAccount, allRights), map[string]attempt{
		"RoleOtherVerb": {"no manifest updates deployments", rule(rbacv1.PolicyRule{
			APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "update"}, ResourceNames: []string{"web"},
		}), grants},
		"RoleAllObjects": {"the manifests want one deployment, not all", rule(rbacv1.PolicyRule{
			APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"patch"},
		}), grants},
		"RoleTwoObjects": {"a call is about one object", rule(rbacv1.PolicyRule{
			APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"patch"}, ResourceNames: []string{"web", "db"},
		}), grants},
		"RoleSecrets": {"no manifest may ask for secrets", rule(rbacv1.PolicyRule{
			APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}, ResourceNames: []string{"web"},
		}), grants},
		"RoleHiddenAmongGood": {"the second resource of a rule counts too", rule(rbacv1.PolicyRule{
			APIGroups: []string{""}, Resources: []string{"configmaps", "secrets"}, Verbs: []string{"get"}, ResourceNames: []string{"web"},
		}), grants},
		"RoleWildcards": {"a wildcard is everything", rule(rbacv1.PolicyRule{
			APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"},
		}), grants},
		"RoleWildcardVerb": {"a wildcard is every verb", rule(rbacv1.PolicyRule{
			APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"*"},
		}), grants},
		"RoleOtherLease": {"a Lease is of one call", rule(rbacv1.PolicyRule{
			APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"patch"}, ResourceNames: []string{"agent-tool-call-other"},
		}), grants},
		"RoleOtherName": {"roles of others are not the worker's", role(func(o *rbacv1.Role) { o.Name = "admin" }), belongs},
		"RoleOtherCall": {"its label would say another call", role(func(o *rbacv1.Role) { o.Labels["sallyport.dev/call"] = "other" }), belongs},
		"RoleNoLabels":  {"the sweeper could not find it to remove it", role(func(o *rbacv1.Role) { o.Labels = nil }), belongs},
		"RoleElsewhere": {"tools may not act in that namespace", role(func(o *rbacv1.Role) { o.Namespace = "default" }), nothing},
		"RoleUpdate": {"a role that is bound would grow", func(ctx context.Context, k kubernetes.Interface) error {
			_, err := k.RbacV1().Roles(target).Patch(ctx, "sallyport-worker", types.MergePatchType, []byte(`{"rules":[]}`), metav1.PatchOptions{DryRun: []string{"All"}})
			return err
		}, never},

		"BindingToOthers":  {"any account could be given rights", binding(func(o *rbacv1.RoleBinding) { o.Subjects[0].Name = "default" }), itsOwn},
		"BindingToUser":    {"a user is no call", binding(func(o *rbacv1.RoleBinding) { o.Subjects[0] = rbacv1.Subject{Kind: "User", Name: callName} }), itsOwn},
		"BindingElsewhere": {"an account of that name elsewhere is another's", binding(func(o *rbacv1.RoleBinding) { o.Subjects[0].Namespace = target }), itsOwn},
		"BindingToMore": {"the second subject counts too", binding(func(o *rbacv1.RoleBinding) {
			o.Subjects = append(o.Subjects, rbacv1.Subject{Kind: "Group", Name: "system:authenticated"})
		}), itsOwn},
		"BindingOfOtherRole": {"that role was not made for the call", binding(func(o *rbacv1.RoleBinding) { o.RoleRef.Name = "sallyport-worker" }), itsOwn},
		"BindingOfClusterRole": {"cluster-admin is a name too", binding(func(o *rbacv1.RoleBinding) {
			o.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: callName}
		}), itsOwn},
		"ClusterRoleBinding": {"a call is of one namespace", func(ctx context.Context, k kubernetes.Interface) error {
			b := callBinding(callName)
			_, err := k.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: callName}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"}, Subjects: b.Subjects,
			}, dry)
			return err
		}, nothing},

		"AccountOtherName": {"it could be bound to something already", account(func(o *corev1.ServiceAccount) { o.Name = "default2" }), belongs},
		"AccountAutomount": {"its token would be in pods that don't say so", account(func(o *corev1.ServiceAccount) { o.AutomountServiceAccountToken = nil }), "the account of a call has no secrets"},
		"AccountPulls":     {"a Secret is a Secret", account(func(o *corev1.ServiceAccount) { o.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "registry"}} }), "the account of a call has no secrets"},
		"AccountElsewhere": {"calls run in one namespace", account(func(o *corev1.ServiceAccount) { o.Namespace = target }), nothing},

		"NetworkOtherPods": {"the way would be open for other calls", network(func(o *netv1.NetworkPolicy) { o.Spec.PodSelector = metav1.LabelSelector{} }), "for the pods of a call alone, and only out"},
		"NetworkIngress":   {"calls accept no connections", network(func(o *netv1.NetworkPolicy) { o.Spec.Ingress = []netv1.NetworkPolicyIngressRule{{}} }), "for the pods of a call alone, and only out"},
		"NetworkAnywhere":  {"an empty rule is the whole network", network(func(o *netv1.NetworkPolicy) { o.Spec.Egress = []netv1.NetworkPolicyEgressRule{{}} }), "opens the way to itself"},
		"NetworkWider":     {"the manifests' network is smaller", network(func(o *netv1.NetworkPolicy) { o.Spec.Egress[1].To[0].IPBlock.CIDR = "198.51.0.0/16" }), "opens the way to itself"},
		"NetworkOtherPort": {"the manifests name a port", network(func(o *netv1.NetworkPolicy) { o.Spec.Egress[1].Ports[0].Port = new(intstr.FromInt(22)) }), "opens the way to itself"},
		"NetworkPortRange": {"the manifests name a port", network(func(o *netv1.NetworkPolicy) { o.Spec.Egress[1].Ports[0].EndPort = new(int32(65535)) }), "opens the way to itself"},
		"NetworkOtherPods2": {"the API is not the worker", network(func(o *netv1.NetworkPolicy) {
			o.Spec.Egress[2].To[0].PodSelector.MatchLabels["app.kubernetes.io/component"] = "api"
		}), "opens the way to itself"},

		"Secret": {"it has no business with them", func(ctx context.Context, k kubernetes.Interface) error {
			_, err := k.CoreV1().Secrets(executions).Create(ctx, &corev1.Secret{ObjectMeta: meta(executions, callName)}, dry)
			return err
		}, nothing},
		"DeleteOthers": {"what it did not make is not its to remove", func(ctx context.Context, k kubernetes.Interface) error {
			return k.RbacV1().Roles(target).Delete(ctx, "sallyport-worker", metav1.DeleteOptions{DryRun: []string{"All"}})
		}, "the worker deletes objects of calls alone"},
		"LeaseOfOthers": {"leaders of controllers hold Leases", func(ctx context.Context, k kubernetes.Interface) error {
			l := callLease()
			l.Name = "controller"
			_, err := k.CoordinationV1().Leases(target).Create(ctx, l, dry)
			return err
		}, belongs},
	})
}

// TestWorkerRunsKnownJobs: it starts what is known by its digest, locked up.
func TestWorkerRunsKnownJobs(t *testing.T) {
	deployed(t)
	const (
		image  = "in one container, of an image that is known by its digest"
		locked = "the pod of a call is locked up"
		volume = "and no other volume"
	)
	podOf := func(change func(*corev1.PodSpec)) func(context.Context, kubernetes.Interface) error {
		return job(func(j *batchv1.Job) { change(&j.Spec.Template.Spec) })
	}
	security := func(change func(*corev1.SecurityContext)) func(context.Context, kubernetes.Interface) error {
		return podOf(func(s *corev1.PodSpec) { change(s.Containers[0].SecurityContext) })
	}
	mount := func(v corev1.VolumeSource) func(context.Context, kubernetes.Interface) error {
		return podOf(func(s *corev1.PodSpec) { s.Volumes = append(s.Volumes, corev1.Volume{Name: "more", VolumeSource: v}) })
	}
	projected := func(p corev1.VolumeProjection) func(context.Context, kubernetes.Interface) error {
		return mount(corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{p}}})
	}
	try(t, as(t, workerAccount, allRights), map[string]attempt{
		"OtherImage":  {"any image could be anything", podOf(func(s *corev1.PodSpec) { s.Containers[0].Image = "registry.example.com/evil:1" }), image},
		"OtherDigest": {"the configuration does not list this digest", podOf(func(s *corev1.PodSpec) { s.Containers[0].Image = executorImage[:len(executorImage)-1] + "0" }), image},
		"Sidecar": {"it would share the pod's account", podOf(func(s *corev1.PodSpec) {
			s.Containers = append(s.Containers, *s.Containers[0].DeepCopy())
			s.Containers[1].Name = "b"
		}), image},
		"InitContainer": {"it would run first", podOf(func(s *corev1.PodSpec) {
			s.InitContainers = []corev1.Container{*s.Containers[0].DeepCopy()}
			s.InitContainers[0].Name = "b"
		}), image},
		"OtherAccount": {"that account has other rights", podOf(func(s *corev1.PodSpec) { s.ServiceAccountName = "default" }), "a call runs as its own account"},
		"Automount":    {"its token would live longer than 600 s", podOf(func(s *corev1.PodSpec) { s.AutomountServiceAccountToken = nil }), "a call runs as its own account"},
		"Retries":      {"a write would happen twice", job(func(j *batchv1.Job) { j.Spec.BackoffLimit = new(int32(1)) }), "a call runs once"},
		"Twice":        {"a write would happen twice", job(func(j *batchv1.Job) { j.Spec.Completions = new(int32(2)) }), "a call runs once"},
		"Ignored": {"a failure that doesn't count is tried again", job(func(j *batchv1.Job) {
			j.Spec.PodFailurePolicy = &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
				Action: batchv1.PodFailurePolicyActionIgnore, OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: []int32{1}},
			}}}
		}), "a call runs once"},
		"Forever":     {"nothing would end it", job(func(j *batchv1.Job) { j.Spec.ActiveDeadlineSeconds = nil }), "a call runs once"},
		"OtherLabels": {"another call's networks would be its own", job(func(j *batchv1.Job) { j.Spec.Template.Labels = map[string]string{"sallyport.dev/call": "other"} }), "has the labels of its Job"},
		"OtherName":   {"its name would not say which call it is of", job(func(j *batchv1.Job) { j.Name = "mine" }), "the worker makes objects of calls alone"},
		"Elsewhere":   {"that namespace is not closed", job(func(j *batchv1.Job) { j.Namespace = target }), "the worker makes nothing of this kind"},

		"HostNetwork":   {"no NetworkPolicy holds there", podOf(func(s *corev1.PodSpec) { s.HostNetwork = true }), locked},
		"HostPID":       {"it would see the node's processes", podOf(func(s *corev1.PodSpec) { s.HostPID = true }), locked},
		"Node":          {"the scheduler chooses", podOf(func(s *corev1.PodSpec) { s.NodeName = "node" }), locked},
		"Root":          {"root in the pod is root on the node's files", podOf(func(s *corev1.PodSpec) { s.SecurityContext.RunAsUser = new(int64(0)) }), locked},
		"RootContainer": {"the container's word goes before the pod's", security(func(s *corev1.SecurityContext) { s.RunAsUser = new(int64(0)) }), locked},
		"Privileged":    {"it would be the node", security(func(s *corev1.SecurityContext) { s.Privileged, s.AllowPrivilegeEscalation = new(true), nil }), locked},
		"Writable":      {"it could change its own program", security(func(s *corev1.SecurityContext) { s.ReadOnlyRootFilesystem = nil }), locked},
		"Capabilities":  {"none is needed", security(func(s *corev1.SecurityContext) { s.Capabilities.Add = []corev1.Capability{"NET_ADMIN"} }), locked},
		"Unconfined": {"the system calls are limited", security(func(s *corev1.SecurityContext) {
			s.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
		}), locked},
		"Hook": {"its node asks whom it names, whatever NetworkPolicies say", podOf(func(s *corev1.PodSpec) {
			s.Containers[0].Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"x"}}}}
		}), locked},
		"Probe": {"the same, again and again", podOf(func(s *corev1.PodSpec) {
			s.Containers[0].LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"x"}}}}
		}), locked},
		"Priority": {"others would have to make room", podOf(func(s *corev1.PodSpec) { s.PriorityClassName = "system-node-critical" }), locked},
		"NoLimits": {"it could eat the node's memory", podOf(func(s *corev1.PodSpec) { s.Containers[0].Resources.Limits = nil }), locked},

		"HostPath":       {"the node's files", mount(corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}), volume},
		"Secret":         {"the Secret of another program", mount(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "x"}}), volume},
		"Claim":          {"the data of another program", mount(corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "x"}}), volume},
		"ProjectSecret":  {"the Secret of another program, by another way", projected(corev1.VolumeProjection{Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "x"}}}), volume},
		"OtherAudience":  {"a token for another service", projected(corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "t", Audience: "vault", ExpirationSeconds: new(int64(600))}}), volume},
		"LongToken":      {"a token that outlives the call", projected(corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "t", ExpirationSeconds: new(int64(86400))}}), volume},
		"OtherConfigMap": {"the configuration of another program", projected(corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "x"}}}), volume},
		"SecretInEnv": {"the Secret of another program, by a third way", podOf(func(s *corev1.PodSpec) {
			s.Containers[0].Env = append(s.Containers[0].Env, corev1.EnvVar{Name: "X", ValueFrom: &corev1.EnvVarSource{
				SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "x"}, Key: "k"},
			}})
		}), "no Secret and no ConfigMap"},
		"SecretsInEnv": {"a whole Secret of another program", podOf(func(s *corev1.PodSpec) {
			s.Containers[0].EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "x"}}}}
		}), "no Secret and no ConfigMap"},
	})
}

// TestWorkerCanDoItsWork: with its own rights and no more, what it makes for
// a call is let through, by its roles and by all policies.
func TestWorkerCanDoItsWork(t *testing.T) {
	deployed(t)
	worker := as(t, workerAccount)
	try(t, worker, map[string]attempt{
		"Role":     {"what manifests ask for", role(func(*rbacv1.Role) {}), ""},
		"Binding":  {"of the call's own role, which must not be there yet for a dry run", binding(func(*rbacv1.RoleBinding) {}), ""},
		"Account":  {"of the call", account(func(*corev1.ServiceAccount) {}), ""},
		"Network":  {"to the API server, the manifests' network and the worker", network(func(*netv1.NetworkPolicy) {}), ""},
		"Job":      {"of the executor", job(func(*batchv1.Job) {}), ""},
		"ToolsJob": {"of an image that a manifest names", job(func(j *batchv1.Job) { j.Spec.Template.Spec.Containers[0].Image = toolImage }), ""},
		"Lease": {"the executor acquires the run with it", func(ctx context.Context, k kubernetes.Interface) error {
			_, err := k.CoordinationV1().Leases(target).Create(ctx, callLease(), dry)
			return err
		}, ""},
	})
	j, err := worker.BatchV1().Jobs(executions).Create(t.Context(), callJob(), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	patch := func(body string) func(context.Context, kubernetes.Interface) error {
		return func(ctx context.Context, k kubernetes.Interface) error {
			_, err := k.BatchV1().Jobs(executions).Patch(ctx, j.Name, types.MergePatchType, []byte(body), metav1.PatchOptions{})
			return err
		}
	}
	const changes = "of a Job the worker changes finalizers, annotations"
	try(t, as(t, workerAccount, allRights), map[string]attempt{
		"Parallel": {"it would run twice", patch(`{"spec":{"parallelism":2}}`), changes},
		"Retries":  {"it would run twice", patch(`{"spec":{"backoffLimit":3}}`), changes},
		"Suspend":  {"a suspended Job's pod may be changed", patch(`{"spec":{"suspend":true}}`), changes},
		"Later":    {"its time was bounded", patch(`{"spec":{"activeDeadlineSeconds":3600}}`), changes},
		"Labels":   {"it would be another call's", patch(`{"metadata":{"labels":{"sallyport.dev/call":"other"}}}`), changes},
	})
	try(t, worker, map[string]attempt{
		"Deadline":   {"a cancelled call ends", patch(`{"spec":{"activeDeadlineSeconds":1}}`), ""},
		"Kept":       {"it is removed after a while", patch(`{"spec":{"ttlSecondsAfterFinished":30}}`), ""},
		"Annotation": {"what became of it", patch(`{"metadata":{"annotations":{"sallyport.dev/expires":"never"}}}`), ""},
		"Finalizer":  {"the outcome is recorded", patch(`{"metadata":{"finalizers":null}}`), ""},
	})
	background := metav1.DeletePropagationBackground
	if err := worker.BatchV1().Jobs(executions).Delete(t.Context(), j.Name, metav1.DeleteOptions{PropagationPolicy: &background}); err != nil {
		t.Error(err)
	}
}

// TestRightsOfAccounts asks the API server what their roles say.
func TestRightsOfAccounts(t *testing.T) {
	deployed(t)
	for name, c := range map[string]struct {
		account                              string
		verb, group, resource, sub, namespac string
		want                                 bool
	}{
		"WorkerMakesJobs":             {workerAccount, "create", "batch", "jobs", "", executions, true},
		"WorkerReadsLogs":             {workerAccount, "get", "", "pods", "log", executions, true},
		"WorkerReviewsTokens":         {workerAccount, "create", "authentication.k8s.io", "tokenreviews", "", "", true},
		"WorkerEscalates":             {workerAccount, "escalate", "rbac.authorization.k8s.io", "roles", "", target, true},
		"WorkerEscalatesElsewhere":    {workerAccount, "escalate", "rbac.authorization.k8s.io", "roles", "", "kube-system", false},
		"WorkerBindsClusterRoles":     {workerAccount, "bind", "rbac.authorization.k8s.io", "clusterroles", "", target, false},
		"WorkerUpdatesRoles":          {workerAccount, "update", "rbac.authorization.k8s.io", "roles", "", target, false},
		"WorkerReadsSecrets":          {workerAccount, "get", "", "secrets", "", executions, false},
		"WorkerReadsSecretsOfTargets": {workerAccount, "list", "", "secrets", "", target, false},
		"WorkerReadsItsSecrets":       {workerAccount, "get", "", "secrets", "", gatewayNamespace, false},
		"WorkerMakesTokens":           {workerAccount, "create", "", "serviceaccounts", "token", executions, false},
		"WorkerMakesPods":             {workerAccount, "create", "", "pods", "", executions, false},
		"WorkerExecs":                 {workerAccount, "create", "", "pods", "exec", executions, false},
		"WorkerWritesTargets":         {workerAccount, "patch", "apps", "deployments", "", target, false},
		"WorkerChangesPolicies":       {workerAccount, "delete", "admissionregistration.k8s.io", "validatingadmissionpolicies", "", "", false},
		"APIMakesJobs":                {apiAccount, "create", "batch", "jobs", "", executions, false},
		"APIReadsTargets":             {apiAccount, "get", "apps", "deployments", "", target, false},
		"APIReadsSecrets":             {apiAccount, "get", "", "secrets", "", gatewayNamespace, false},
	} {
		t.Run(name, func(t *testing.T) {
			review, err := client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authzv1.SubjectAccessReview{Spec: authzv1.SubjectAccessReviewSpec{
				User: c.account, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + gatewayNamespace, "system:authenticated"},
				ResourceAttributes: &authzv1.ResourceAttributes{Verb: c.verb, Group: c.group, Resource: c.resource, Subresource: c.sub, Namespace: c.namespac},
			}}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if review.Status.Allowed != c.want {
				t.Errorf("allowed: %v, want %v (%s)", review.Status.Allowed, c.want, review.Status.Reason)
			}
		})
	}
}
