// Package netpol enforces the NetworkPolicies of a one-node cluster: all of
// them become one nftables table, which is replaced as a whole when one of
// them, a pod or a namespace changes.
//
// The table's chains run after the translation of Services' addresses, so that
// a policy matches the addresses and ports of the pods themselves. An address
// of a pod that is not in the table may send nothing. IPv4 alone.
package netpol

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Snapshot is what the rules depend on.
type Snapshot struct {
	Pods       []*corev1.Pod
	Namespaces map[string]labels.Set // their labels, by name
	Policies   []*netv1.NetworkPolicy
	CIDR       string // all pods' addresses
	Gateway    string // the node's address among them
}

// Rules is the nftables script that puts the policies in force, and the
// addresses that it knows.
func (s Snapshot) Rules() (script string, known []string, err error) {
	s.Pods = live(s.Pods)
	var chains strings.Builder
	jumps := map[netv1.PolicyType][]string{}
	for i, p := range s.Pods {
		known = append(known, p.Status.PodIP)
		for _, d := range directions {
			rules, isolated, err := s.allowed(p, d)
			if err != nil {
				return "", nil, err
			}
			if !isolated {
				continue
			}
			chain := fmt.Sprintf("%s%d", strings.ToLower(string(d.policy)), i)
			jumps[d.policy] = append(jumps[d.policy], p.Status.PodIP+" : jump "+chain)
			fmt.Fprintf(&chains, " chain %s {\n  %s\n  counter drop\n }\n", chain, strings.Join(rules, "\n  "))
		}
	}
	from := "ip saddr " + s.CIDR + " ip saddr != { " + strings.Join(append(slices.Clone(known), s.Gateway), ", ") + " } counter drop"
	leaving := vmap("saddr", jumps[netv1.PolicyTypeEgress])
	arriving := vmap("daddr", jumps[netv1.PolicyTypeIngress])
	return "table ip netpold\ndelete table ip netpold\ntable ip netpold {\n" + chains.String() +
		hook("forward", from, leaving, arriving) +
		hook("input", `iifname != "cni0" accept`, from, leaving) + "}\n", known, nil
}

// hook is a chain that packets pass in the kernel. Answers always may.
func hook(name string, rules ...string) string {
	return fmt.Sprintf(" chain %[1]s {\n  type filter hook %[1]s priority 0; policy accept;\n  ct state established,related accept\n  %[2]s\n }\n",
		name, strings.Join(rules, "\n  "))
}

func vmap(field string, jumps []string) string {
	if len(jumps) == 0 {
		return ""
	}
	return "ip " + field + " vmap { " + strings.Join(jumps, ", ") + " }"
}

// live are the pods that have an address of their own and may still use it, in
// an order that stays the same.
func live(pods []*corev1.Pod) []*corev1.Pod {
	pods = slices.DeleteFunc(slices.Clone(pods), func(p *corev1.Pod) bool {
		ended := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
		return p.Status.PodIP == "" || p.Spec.HostNetwork || ended
	})
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return cmp.Compare(a.UID, b.UID) })
	return pods
}

// direction is one of the two ways of a policy.
type direction struct {
	policy netv1.PolicyType
	field  string // where the peer's address stands
	rules  func(netv1.NetworkPolicySpec) []rule
}

// rule is one of a policy's, either way.
type rule struct {
	peers []netv1.NetworkPolicyPeer
	ports []netv1.NetworkPolicyPort
}

var directions = []direction{ //nolint:gochecknoglobals // a constant in all but form
	{netv1.PolicyTypeEgress, "daddr", func(s netv1.NetworkPolicySpec) (rules []rule) {
		for _, r := range s.Egress {
			rules = append(rules, rule{r.To, r.Ports})
		}
		return rules
	}},
	{netv1.PolicyTypeIngress, "saddr", func(s netv1.NetworkPolicySpec) (rules []rule) {
		for _, r := range s.Ingress {
			rules = append(rules, rule{r.From, r.Ports})
		}
		return rules
	}},
}

// allowed are the matches that may pass to or from a pod, and whether any
// policy isolates it that way.
func (s Snapshot) allowed(p *corev1.Pod, d direction) (matches []string, isolated bool, err error) {
	for _, policy := range s.Policies {
		ours, err := d.isolates(policy, p)
		var more []string
		if err == nil && ours {
			more, err = s.matches(policy, p, d)
		}
		if err != nil {
			return nil, false, fmt.Errorf("policy %s/%s: %w", policy.Namespace, policy.Name, err)
		}
		isolated = isolated || ours
		matches = append(matches, more...)
	}
	return matches, isolated, nil
}

// matches are those of one policy for a pod.
func (s Snapshot) matches(policy *netv1.NetworkPolicy, p *corev1.Pod, d direction) (matches []string, err error) {
	for _, r := range d.rules(policy.Spec) {
		peers, err := s.peers(r.peers, policy.Namespace, d.field)
		if err != nil {
			return nil, err
		}
		for _, peer := range peers {
			to := peer.pods // whose ports are meant
			if d.policy == netv1.PolicyTypeIngress {
				to = []*corev1.Pod{p}
			}
			for _, port := range ports(r.ports, to) {
				matches = append(matches, strings.Join(strings.Fields(peer.match+" "+port+" return"), " "))
			}
		}
	}
	return matches, nil
}

// isolates reports whether a policy isolates a pod this way: if it says so, or
// by the API's defaults.
func (d direction) isolates(policy *netv1.NetworkPolicy, p *corev1.Pod) (bool, error) {
	selected, err := selects(&policy.Spec.PodSelector, p.Labels)
	if err != nil || !selected || policy.Namespace != p.Namespace {
		return false, err
	}
	if types := policy.Spec.PolicyTypes; len(types) > 0 {
		return slices.Contains(types, d.policy), nil
	}
	return d.policy == netv1.PolicyTypeIngress || len(policy.Spec.Egress) > 0, nil
}

func selects(s *metav1.LabelSelector, l map[string]string) (bool, error) {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(l)), err
}
