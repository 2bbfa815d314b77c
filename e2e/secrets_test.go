//go:build e2e

package e2e_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestSecretsInAVolume: Kubernetes mounts Secrets as the gateway's check of its
// secrets' files expects. They are mounted as the chart does, inside of the
// configuration's volume, and readable by the pod's group.
func TestSecretsInAVolume(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	if _, err := client.CoreV1().Secrets(ns).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "keys"}, StringData: map[string]string{"api.key": "secret"},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	p := pod("reader", "cat", "/etc/sallyport/secrets/api.key")
	p.Spec.SecurityContext.RunAsUser, p.Spec.SecurityContext.FSGroup = new(int64(65532)), new(int64(65532))
	p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{
		{Name: "config", MountPath: "/etc/sallyport", ReadOnly: true}, {Name: "secrets", MountPath: "/etc/sallyport/secrets", ReadOnly: true},
	}
	p.Spec.Volumes = []corev1.Volume{
		{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
		}}},
		{Name: "secrets", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			DefaultMode: new(int32(0o440)), Sources: []corev1.VolumeProjection{{Secret: &corev1.SecretProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: "keys"},
			}}},
		}}},
	}
	if succeeded, said := finish(t, create(t, ns, p)); !succeeded || strings.TrimSpace(said) != "secret" {
		t.Errorf("it said %q (succeeded: %v)", said, succeeded)
	}
}
