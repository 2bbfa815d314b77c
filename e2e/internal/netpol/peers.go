package netpol

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// peer is a match of addresses, and the pods that it can mean.
type peer struct {
	match string
	pods  []*corev1.Pod
}

// peers are those of one rule of a policy in a namespace; none listed means
// all pods, and one that selects no pod gives no match.
func (s Snapshot) peers(listed []netv1.NetworkPolicyPeer, namespace, field string) ([]peer, error) {
	if len(listed) == 0 {
		return []peer{{"", s.Pods}}, nil
	}
	var all []peer
	for _, l := range listed {
		if l.IPBlock != nil {
			all = append(all, peer{block(*l.IPBlock, field), s.Pods})
			continue
		}
		pods, err := s.meant(l, namespace)
		if err != nil {
			return nil, err
		}
		if len(pods) == 0 {
			continue
		}
		addresses := make([]string, 0, len(pods))
		for _, p := range pods {
			addresses = append(addresses, p.Status.PodIP)
		}
		all = append(all, peer{"ip " + field + " { " + strings.Join(addresses, ", ") + " }", pods})
	}
	return all, nil
}

func block(b netv1.IPBlock, field string) string {
	match := "ip " + field + " " + b.CIDR
	if len(b.Except) > 0 {
		match += " ip " + field + " != { " + strings.Join(b.Except, ", ") + " }"
	}
	return match
}

// meant are the pods that a peer's selectors select.
func (s Snapshot) meant(l netv1.NetworkPolicyPeer, namespace string) (pods []*corev1.Pod, err error) {
	for _, p := range s.Pods {
		meant, err := s.means(l, namespace, p)
		if err != nil {
			return nil, err
		}
		if meant {
			pods = append(pods, p)
		}
	}
	return pods, nil
}

// means reports whether a peer's selectors select a pod.
func (s Snapshot) means(l netv1.NetworkPolicyPeer, namespace string, p *corev1.Pod) (bool, error) {
	meant := p.Namespace == namespace
	if l.NamespaceSelector != nil {
		var err error
		if meant, err = selects(l.NamespaceSelector, s.Namespaces[p.Namespace]); err != nil {
			return false, err
		}
	}
	if !meant || l.PodSelector == nil {
		return meant, nil
	}
	return selects(l.PodSelector, p.Labels)
}

// ports are the matches of a rule's ports; none listed means all. A name is
// looked up in each pod that it can mean.
func ports(listed []netv1.NetworkPolicyPort, to []*corev1.Pod) []string {
	if len(listed) == 0 {
		return []string{""}
	}
	var matches []string
	for _, l := range listed {
		protocol := "tcp"
		if l.Protocol != nil {
			protocol = strings.ToLower(string(*l.Protocol))
		}
		switch {
		case l.Port == nil:
			matches = append(matches, "meta l4proto "+protocol)
		case l.Port.Type == intstr.String:
			for _, p := range to {
				matches = append(matches, named(p, l.Port.StrVal, protocol)...)
			}
		case l.EndPort != nil:
			matches = append(matches, fmt.Sprintf("%s dport %d-%d", protocol, l.Port.IntValue(), *l.EndPort))
		default:
			matches = append(matches, fmt.Sprintf("%s dport %d", protocol, l.Port.IntValue()))
		}
	}
	return matches
}

func named(p *corev1.Pod, name, protocol string) (matches []string) {
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == name && strings.EqualFold(string(port.Protocol), protocol) {
				matches = append(matches, fmt.Sprintf("ip daddr %s %s dport %d", p.Status.PodIP, protocol, port.ContainerPort))
			}
		}
	}
	return matches
}
