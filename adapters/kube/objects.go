package kube

import (
	"slices"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sallyport/sallyport/tools"
)

func (r *Runner) serviceAccount(t task) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: t.meta(r.o.Namespace), AutomountServiceAccountToken: new(false)}
}

// role grants what the manifest lists: least privilege, on the one object that
// the call is about wherever RBAC can restrict a rule to a name.
func (t task) role() *rbacv1.Role {
	role := &rbacv1.Role{ObjectMeta: t.meta(t.intent.Namespace)}
	for _, rule := range t.rules() {
		p := rbacv1.PolicyRule{APIGroups: []string{rule.Group}, Resources: []string{rule.Resource}, Verbs: rule.Verbs}
		if rule.Objects == tools.ObjectsNamed {
			p.ResourceNames = []string{t.intent.Name}
		}
		role.Rules = append(role.Rules, p)
	}
	if t.leased() {
		role.Rules = append(role.Rules, rbacv1.PolicyRule{
			APIGroups: []string{coordinationv1.GroupName}, Resources: []string{"leases"}, Verbs: []string{"get", "patch"}, ResourceNames: []string{t.name},
		})
	}
	return role
}

func (r *Runner) binding(t task) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: t.meta(t.intent.Namespace),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: serviceRole, Name: t.name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: t.name, Namespace: r.o.Namespace}},
	}
}

// lease has no holder yet. A pod acquires it by compare-and-swap before it acts,
// so that at most one pod of the call acts.
func (t task) lease() *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: t.meta(t.intent.Namespace), Spec: coordinationv1.LeaseSpec{HolderIdentity: new("")}}
}

// networkPolicy allows what this call needs; the namespace's own policy denies
// everything else.
func (r *Runner) networkPolicy(t task) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{ObjectMeta: t.meta(r.o.Namespace)}
	p.Spec = networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: t.labels()},
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
		Egress:      []networkingv1.NetworkPolicyEgressRule{},
	}
	destinations := t.manifest.Network
	if len(t.rules()) > 0 {
		destinations = append(slices.Clip(destinations), r.o.APIServer...)
	}
	for _, d := range destinations {
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{
			To:    []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: d.CIDR}}},
			Ports: []networkingv1.NetworkPolicyPort{port(d.Protocol, d.Port)},
		})
	}
	if r.posts(t) {
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{
			To: []networkingv1.NetworkPolicyPeer{{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: r.o.ResultReceiver.Namespace}},
				PodSelector:       &metav1.LabelSelector{MatchLabels: r.o.ResultReceiver.Labels},
			}},
			Ports: []networkingv1.NetworkPolicyPort{port("", r.receiver.port)},
		})
	}
	return p
}

func port(protocol string, number int) networkingv1.NetworkPolicyPort {
	p := corev1.ProtocolTCP
	if protocol != "" {
		p = corev1.Protocol(protocol)
	}
	return networkingv1.NetworkPolicyPort{Protocol: &p, Port: new(intstr.FromInt32(int32(number)))} //nolint:gosec // the manifest's loader bounds it
}
