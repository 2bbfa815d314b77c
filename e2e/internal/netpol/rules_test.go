package netpol_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sallyport/sallyport/e2e/internal/netpol"
)

func pod(ns, name, ip string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, UID: types.UID(name), Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}},
		}}},
		Status: corev1.PodStatus{PodIP: ip, Phase: corev1.PodRunning},
	}
}

func app(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
}

// cluster has pods a and b in the namespace one, and c in two.
func cluster(policies ...netv1.NetworkPolicySpec) netpol.Snapshot {
	s := netpol.Snapshot{
		Pods:       []*corev1.Pod{pod("two", "c", "10.0.0.3"), pod("one", "b", "10.0.0.2"), pod("one", "a", "10.0.0.1")},
		Namespaces: map[string]labels.Set{"one": {"team": "1"}, "two": {"team": "2"}},
		CIDR:       "10.0.0.0/8", Gateway: "10.0.0.254",
	}
	for _, p := range policies {
		s.Policies = append(s.Policies, &netv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "one", Name: "p"}, Spec: p})
	}
	return s
}

func TestRules(t *testing.T) {
	s := cluster(netv1.NetworkPolicySpec{
		PodSelector: *app("a"), PolicyTypes: []netv1.PolicyType{netv1.PolicyTypeIngress, netv1.PolicyTypeEgress},
		Ingress: []netv1.NetworkPolicyIngressRule{{From: []netv1.NetworkPolicyPeer{{PodSelector: app("b")}}}},
	})
	ended := pod("one", "ended", "10.0.0.9")
	ended.Status.Phase = corev1.PodSucceeded
	ofTheNode := pod("one", "of-the-node", "10.0.0.254")
	ofTheNode.Spec.HostNetwork = true
	s.Pods = append(s.Pods, ended, ofTheNode, pod("one", "no-address-yet", ""))
	got, known, err := s.Rules()
	if err != nil {
		t.Fatal(err)
	}
	const want = `table ip netpold
delete table ip netpold
table ip netpold {
 chain egress0 {
  
  counter drop
 }
 chain ingress0 {
  ip saddr { 10.0.0.2 } return
  counter drop
 }
 chain forward {
  type filter hook forward priority 0; policy accept;
  ct state established,related accept
  ip saddr 10.0.0.0/8 ip saddr != { 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.254 } counter drop
  ip saddr vmap { 10.0.0.1 : jump egress0 }
  ip daddr vmap { 10.0.0.1 : jump ingress0 }
 }
 chain input {
  type filter hook input priority 0; policy accept;
  ct state established,related accept
  iifname != "cni0" accept
  ip saddr 10.0.0.0/8 ip saddr != { 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.254 } counter drop
  ip saddr vmap { 10.0.0.1 : jump egress0 }
 }
}
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, known); diff != "" {
		t.Errorf("known addresses (-want +got):\n%s", diff)
	}
}

func TestWhatARuleAllows(t *testing.T) {
	udp := corev1.ProtocolUDP
	to := func(peers ...netv1.NetworkPolicyPeer) netv1.NetworkPolicyEgressRule {
		return netv1.NetworkPolicyEgressRule{To: peers}
	}
	on := func(r netv1.NetworkPolicyEgressRule, ports ...netv1.NetworkPolicyPort) netv1.NetworkPolicyEgressRule {
		r.Ports = ports
		return r
	}
	for name, tt := range map[string]struct {
		reason string
		rule   netv1.NetworkPolicyEgressRule
		want   []string
	}{
		"everything": {"no peers and no ports mean all", to(), []string{"return"}},
		"pods":       {"a pod selector alone means the policy's own namespace", to(netv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{}}), []string{"ip daddr { 10.0.0.1, 10.0.0.2 } return"}},
		"namespace":  {"a namespace selector alone means all its pods", to(netv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchLabels: labels.Set{"team": "2"}}}), []string{"ip daddr { 10.0.0.3 } return"}},
		"both":       {"both have to select the pod", to(netv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchLabels: labels.Set{"team": "2"}}, PodSelector: app("a")}), nil},
		"nobody":     {"a selector of no pod is no rule, instead of one for all", to(netv1.NetworkPolicyPeer{PodSelector: app("nobody")}), nil},
		"block":      {"addresses outside of the cluster", to(netv1.NetworkPolicyPeer{IPBlock: &netv1.IPBlock{CIDR: "192.0.2.0/24", Except: []string{"192.0.2.1/32"}}}), []string{"ip daddr 192.0.2.0/24 ip daddr != { 192.0.2.1/32 } return"}},
		"port":       {"TCP unless it says otherwise", on(to(), netv1.NetworkPolicyPort{Port: new(intstr.FromInt32(80))}), []string{"tcp dport 80 return"}},
		"ports":      {"a range", on(to(), netv1.NetworkPolicyPort{Port: new(intstr.FromInt32(80)), EndPort: new(int32(90)), Protocol: &udp}), []string{"udp dport 80-90 return"}},
		"protocol":   {"all ports", on(to(), netv1.NetworkPolicyPort{Protocol: &udp}), []string{"meta l4proto udp return"}},
		"named": {
			"a name is each peer's own port", on(to(netv1.NetworkPolicyPeer{PodSelector: app("b")}), netv1.NetworkPolicyPort{Port: new(intstr.FromString("http"))}),
			[]string{"ip daddr { 10.0.0.2 } ip daddr 10.0.0.2 tcp dport 8080 return"},
		},
		"unknown": {"a name that no pod has allows nothing", on(to(), netv1.NetworkPolicyPort{Port: new(intstr.FromString("ssh"))}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			script, _, err := cluster(netv1.NetworkPolicySpec{
				PodSelector: *app("a"), PolicyTypes: []netv1.PolicyType{netv1.PolicyTypeEgress}, Egress: []netv1.NetworkPolicyEgressRule{tt.rule},
			}).Rules()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, chain(t, script, "egress0")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

// chain gives the rules of a chain before the last, which has to drop.
func chain(t *testing.T, script, name string) (rules []string) {
	t.Helper()
	_, rest, ok := strings.Cut(script, "chain "+name+" {\n")
	body, _, closed := strings.Cut(rest, " }\n")
	body, drops := strings.CutSuffix(body, "  counter drop\n")
	if !ok || !closed || !drops {
		t.Fatalf("there is no chain %s that drops:\n%s", name, script)
	}
	for line := range strings.Lines(body) {
		if line = strings.TrimSpace(line); line != "" {
			rules = append(rules, line)
		}
	}
	return rules
}

func TestWhichWaysAPolicyIsolates(t *testing.T) {
	egress := []netv1.NetworkPolicyEgressRule{{}}
	for name, tt := range map[string]struct {
		spec            netv1.NetworkPolicySpec
		ingress, egress bool
	}{
		"Defaults":       {netv1.NetworkPolicySpec{}, true, false},
		"DefaultsEgress": {netv1.NetworkPolicySpec{Egress: egress}, true, true},
		"EgressAlone":    {netv1.NetworkPolicySpec{PolicyTypes: []netv1.PolicyType{netv1.PolicyTypeEgress}}, false, true},
		"IngressAlone":   {netv1.NetworkPolicySpec{Egress: egress, PolicyTypes: []netv1.PolicyType{netv1.PolicyTypeIngress}}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			script, _, err := cluster(tt.spec).Rules()
			if err != nil {
				t.Fatal(err)
			}
			if in, out := strings.Contains(script, "jump ingress0"), strings.Contains(script, "jump egress0"); in != tt.ingress || out != tt.egress {
				t.Errorf("isolates ingress: %v, egress: %v", in, out)
			}
			if strings.Contains(script, "10.0.0.3 : jump") {
				t.Error("a policy isolates a pod of another namespace")
			}
		})
	}
}

func TestUnreadablePolicyIsAnError(t *testing.T) {
	bad := metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Like"}}}
	if script, _, err := cluster(netv1.NetworkPolicySpec{PodSelector: bad}).Rules(); err == nil {
		t.Errorf("it was taken for:\n%s", script)
	}
}
