//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"maps"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	"github.com/sallyport/sallyport/e2e/cluster"
)

// signedMeta is the metadata of what a run makes.
func signedMeta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: target, Name: name, Annotations: map[string]string{"sallyport.dev/call": callID}}
}

// deploying tries to make a Deployment with something changed, which without
// the change is let through.
func deploying(change func(*appsv1.Deployment, *corev1.PodSpec, *corev1.Container)) func(context.Context, kubernetes.Interface) error {
	return func(ctx context.Context, k kubernetes.Interface) error {
		labels := map[string]string{"app": "made"}
		s := spec(cluster.Testbox, "pause")
		s.RestartPolicy = corev1.RestartPolicyAlways
		d := &appsv1.Deployment{ObjectMeta: signedMeta("made"), Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: s},
		}}
		change(d, &d.Spec.Template.Spec, &d.Spec.Template.Spec.Containers[0])
		_, err := k.AppsV1().Deployments(target).Create(ctx, d, dry)
		return err
	}
}

func pods(change func(*corev1.PodSpec, *corev1.Container)) func(context.Context, kubernetes.Interface) error {
	return deploying(func(_ *appsv1.Deployment, s *corev1.PodSpec, c *corev1.Container) { change(s, c) })
}

func volumes(source corev1.VolumeSource) func(context.Context, kubernetes.Interface) error {
	return pods(func(s *corev1.PodSpec, _ *corev1.Container) {
		s.Volumes = append(s.Volumes, corev1.Volume{Name: "v", VolumeSource: source})
	})
}

// TestManifestsOfCalls tries, with all rights, what no manifest of a call may
// have: the executor refuses it too, and may have been taken over.
func TestManifestsOfCalls(t *testing.T) {
	account := grant(t, callName)
	run := as(t, account, allRights)
	try(t, run, map[string]attempt{"Plain": {"what the others are without their fault", pods(func(*corev1.PodSpec, *corev1.Container) {}), ""}})
	try(t, run, refusedPods())
	try(t, run, refusedVolumes())
	try(t, run, refusedElsewhere())
}

func refusedPods() map[string]attempt {
	const node, privileges = "a workload of a call", "containers of a call"
	host := corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Host: "169.254.169.254", Port: intstr.FromInt32(80)}}
	return map[string]attempt{
		"HostNetwork": {"policies don't see it", pods(func(s *corev1.PodSpec, _ *corev1.Container) { s.HostNetwork = true }), "shares no namespace"},
		"HostPID":     {"it sees all processes", pods(func(s *corev1.PodSpec, _ *corev1.Container) { s.HostPID = true }), "shares no namespace"},
		"NodeName":    {"it goes around the scheduler", pods(func(s *corev1.PodSpec, _ *corev1.Container) { s.NodeName = "node" }), "chooses no node"},
		"Priority":    {"it evicts the cluster's own pods", pods(func(s *corev1.PodSpec, _ *corev1.Container) { s.PriorityClassName = "system-node-critical" }), "chooses no node"},
		"ControlPlane": {"it stands beside the keys", pods(func(s *corev1.PodSpec, _ *corev1.Container) {
			s.Tolerations = []corev1.Toleration{{Key: "node-role.kubernetes.io/control-plane"}}
		}), "chooses no node"},
		"EveryTaint": {"the same", pods(func(s *corev1.PodSpec, _ *corev1.Container) {
			s.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
		}), "chooses no node"},
		"Account": {"its pods would act as another account", pods(func(s *corev1.PodSpec, _ *corev1.Container) { s.ServiceAccountName = "operator" }), "the default account"},
		"Environment": {"the environment is the secret", pods(func(_ *corev1.PodSpec, c *corev1.Container) {
			c.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "db"}}}}
		}), "no secret in its environment"},
		"Variable": {"the same", pods(func(_ *corev1.PodSpec, c *corev1.Container) {
			c.Env = []corev1.EnvVar{{Name: "P", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "db"}, Key: "p"}}}}
		}), "no secret in its environment"},
		"HostPort": {"it is the node's address", pods(func(_ *corev1.PodSpec, c *corev1.Container) {
			c.Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: 80}}
		}), node},
		"Liveness":  {"the kubelet would make the request", pods(func(_ *corev1.PodSpec, c *corev1.Container) { c.LivenessProbe = &corev1.Probe{ProbeHandler: host} }), "probes and hooks"},
		"Readiness": {"the same", pods(func(_ *corev1.PodSpec, c *corev1.Container) { c.ReadinessProbe = &corev1.Probe{ProbeHandler: host} }), "probes and hooks"},
		"Hook": {"the same", pods(func(_ *corev1.PodSpec, c *corev1.Container) {
			c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{HTTPGet: host.HTTPGet}}
		}), "probes and hooks"},
		"Privileged": {"it is the node", pods(func(_ *corev1.PodSpec, c *corev1.Container) {
			c.SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
		}), "no privileges"},
		"Escalation": {"it may become root", pods(func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.AllowPrivilegeEscalation = nil }), "no privileges"},
		"Capability": {"nearly root", pods(func(_ *corev1.PodSpec, c *corev1.Container) {
			c.SecurityContext.Capabilities.Add = []corev1.Capability{"SYS_ADMIN"}
		}), "no privileges"},
		"Root":      {"root in a container is nearly root outside", pods(func(s *corev1.PodSpec, _ *corev1.Container) { s.SecurityContext.RunAsUser = new(int64(0)) }), "another user than root"},
		"MaybeRoot": {"the image decides", pods(func(s *corev1.PodSpec, _ *corev1.Container) { s.SecurityContext.RunAsNonRoot = nil }), "another user than root"},
		"Seccomp":   {"all system calls", pods(func(s *corev1.PodSpec, _ *corev1.Container) { s.SecurityContext.SeccompProfile = nil }), "seccomp"},
		"Unconfined": {"the same", pods(func(_ *corev1.PodSpec, c *corev1.Container) {
			c.SecurityContext.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
		}), "seccomp"},
		"AppArmor": {"all files", pods(func(s *corev1.PodSpec, _ *corev1.Container) {
			s.SecurityContext.AppArmorProfile = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
		}), "AppArmor"},
		"SELinux": {"spc_t is unconfined", pods(func(_ *corev1.PodSpec, c *corev1.Container) {
			c.SecurityContext.SELinuxOptions = &corev1.SELinuxOptions{Type: "spc_t"}
		}), "SELinux"},
		"Sysctl": {"it is the node's", pods(func(s *corev1.PodSpec, _ *corev1.Container) {
			s.SecurityContext.Sysctls = []corev1.Sysctl{{Name: "kernel.msgmax", Value: "1"}}
		}), "sysctl"},
		"Init": {"it runs before the others, and as they do", pods(func(s *corev1.PodSpec, _ *corev1.Container) {
			s.InitContainers = []corev1.Container{{Name: "i", Image: cluster.Testbox}}
		}), privileges},
	}
}

func refusedVolumes() map[string]attempt {
	claim := func(change func(*corev1.PersistentVolumeClaimSpec)) corev1.VolumeSource {
		s := corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		}
		change(&s)
		return corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{Spec: s}}}
	}
	return map[string]attempt{
		"New":      {"it holds nothing at first", volumes(claim(func(*corev1.PersistentVolumeClaimSpec) {})), ""},
		"HostPath": {"the node's files", volumes(corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}), "has volumes of ConfigMaps"},
		"Secret":   {"its files are the secret", volumes(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "db"}}), "has volumes of ConfigMaps"},
		"Claim": {"it may be another workload's data", volumes(corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "db"},
		}), "has volumes of ConfigMaps"},
		"Token": {"it is of use elsewhere", volumes(corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "t"}}},
		}}), "no token and no secret"},
		"Copied": {"the data of another, copied", volumes(claim(func(s *corev1.PersistentVolumeClaimSpec) {
			s.DataSource = &corev1.TypedLocalObjectReference{Kind: "PersistentVolumeClaim", Name: "db"}
		})), "no copy of one"},
		"Named": {"the same, by its volume", volumes(claim(func(s *corev1.PersistentVolumeClaimSpec) { s.VolumeName = "pv-db" })), "no volume of another"},
	}
}

func refusedElsewhere() map[string]attempt {
	service := func(s corev1.ServiceSpec) func(context.Context, kubernetes.Interface) error {
		return func(ctx context.Context, k kubernetes.Interface) error {
			s.Ports = []corev1.ServicePort{{Port: 80}}
			_, err := k.CoreV1().Services(target).Create(ctx, &corev1.Service{ObjectMeta: signedMeta("made"), Spec: s}, dry)
			return err
		}
	}
	annotated := func(annotations map[string]string) func(context.Context, kubernetes.Interface) error {
		return deploying(func(d *appsv1.Deployment, _ *corev1.PodSpec, _ *corev1.Container) {
			maps.Copy(d.Annotations, annotations)
		})
	}
	return map[string]attempt{
		"Service":      {"it leads to pods", service(corev1.ServiceSpec{Selector: map[string]string{"app": "made"}}), ""},
		"ExternalName": {"its clients are sent elsewhere", service(corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "db.example.com"}), "no external name"},
		"ExternalIP":   {"it takes traffic of other hosts", service(corev1.ServiceSpec{ExternalIPs: []string{"192.0.2.7"}}), "no external address"},
		"LoadBalancer": {"the same", service(corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, LoadBalancerIP: "192.0.2.7"}), "no external name"},
		"Ingress": {"its controller decides what that is", func(ctx context.Context, k kubernetes.Interface) error {
			_, err := k.NetworkingV1().Ingresses(target).Create(ctx, &netv1.Ingress{ObjectMeta: signedMeta("made"), Spec: netv1.IngressSpec{
				DefaultBackend: &netv1.IngressBackend{Resource: &corev1.TypedLocalObjectReference{Kind: "Bucket", Name: "b"}},
			}}, dry)
			return err
		}, "leads to services"},
		"Listed":  {"it is for people", annotated(map[string]string{"kubernetes.io/change-cause": "x", "description": "y"}), ""},
		"Snippet": {"an ingress controller would run it", annotated(map[string]string{"nginx.ingress.kubernetes.io/configuration-snippet": "x"}), "sets no annotation"},
		"Injected": {"admission would add a container", deploying(func(d *appsv1.Deployment, _ *corev1.PodSpec, _ *corev1.Container) {
			d.Spec.Template.Annotations = map[string]string{"vault.hashicorp.com/agent-inject": "true"}
		}), "no annotation of pods"},
	}
}

// TestWorkloadsStayAsTheyAre: what people have deployed may be scaled and
// restarted by calls, and its pods may not be changed unless they keep the rules.
func TestWorkloadsStayAsTheyAre(t *testing.T) {
	account := grant(t, callName)
	labels := map[string]string{"app": "theirs"}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: target, Name: "theirs", Annotations: map[string]string{"example.com/x": "y"}}, Spec: appsv1.DeploymentSpec{
		Replicas: new(int32(0)), Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: cluster.Testbox,
			EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "db"}}}},
		}}}},
	}}
	if _, err := client.AppsV1().Deployments(target).Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.AppsV1().Deployments(target).Delete(context.Background(), d.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	patch := func(spec any) func(context.Context, kubernetes.Interface) error {
		return func(ctx context.Context, k kubernetes.Interface) error {
			body, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{"sallyport.dev/call": callID}}, "spec": spec})
			if err != nil {
				return err
			}
			_, err = k.AppsV1().Deployments(target).Patch(ctx, d.Name, types.StrategicMergePatchType, body, dryPatch)
			return err
		}
	}
	template := func(m map[string]any) map[string]any { return map[string]any{"template": m} }
	try(t, as(t, account, allRights), map[string]attempt{
		"Scaled":    {"its pods are as they were", patch(map[string]any{"replicas": 1}), ""},
		"Restarted": {"the same", patch(template(map[string]any{"metadata": map[string]any{"annotations": map[string]string{"kubectl.kubernetes.io/restartedAt": "now"}}})), ""},
		"Changed": {"another program would have the secret", patch(template(map[string]any{"spec": map[string]any{
			"containers": []any{map[string]any{"name": "app", "image": "mine:1"}},
		}})), "no secret in its environment"},
	})
}
