//go:build e2e

package e2e_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestRestrictedNamespaceRefusesPrivilegedPods(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	p := pod("privileged", "print", "hello")
	p.Spec.Containers[0].SecurityContext.Privileged = new(true)
	p.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil
	_, err := client.CoreV1().Pods(ns).Create(t.Context(), p, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "privileged") {
		t.Errorf("got %v, want a refusal that says why", err)
	}
	// The same pod without it, so that it was refused for nothing else.
	p.Spec.Containers[0].SecurityContext = pod("", "").Spec.Containers[0].SecurityContext
	if succeeded, said := finish(t, create(t, ns, p)); !succeeded || said != "hello\n" {
		t.Errorf("the restricted pod said %q (succeeded: %v)", said, succeeded)
	}
}

// claims are what a service account's token says.
type claims struct {
	Audiences  []string `json:"aud"`
	Issued     int64    `json:"iat"`
	Expires    int64    `json:"exp"`
	Kubernetes struct {
		Namespace string `json:"namespace"`
		Pod       struct {
			Name string `json:"name"`
			UID  string `json:"uid"`
		} `json:"pod"`
	} `json:"kubernetes.io"`
}

// TestProjectedTokenIsBoundToItsPod: a stolen token is valid for ten
// minutes at most, and no longer than its pod lives. The API server remembers
// answers for some ten seconds, so the end of the pod is not the same moment.
func TestProjectedTokenIsBoundToItsPod(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	const audience = "sallyport.test"
	p := pod("holder", "cat", "/token/token")
	p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "token", MountPath: "/token", ReadOnly: true}}
	p.Spec.Volumes = []corev1.Volume{{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
			Audience: audience, ExpirationSeconds: new(int64(600)), Path: "token",
		}}},
	}}}}
	p = create(t, ns, p)
	succeeded, token := finish(t, p)
	token = strings.TrimSpace(token)
	if !succeeded {
		t.Fatal("the pod could not read its token")
	}
	c := read(t, token)
	if c.Kubernetes.Pod.Name != p.Name || c.Kubernetes.Pod.UID != string(p.UID) || c.Kubernetes.Namespace != ns {
		t.Errorf("the token is bound to %+v, want pod %s (%s) in %s", c.Kubernetes, p.Name, p.UID, ns)
	}
	if lives := c.Expires - c.Issued; lives != 600 || !slices.Equal(c.Audiences, []string{audience}) {
		t.Errorf("the token lives %d s for %v, want 600 s for %s", lives, c.Audiences, audience)
	}
	if !authenticated(t, token, audience) {
		t.Error("the token is not good while the pod is there")
	}
	if authenticated(t, token, "https://kubernetes.default.svc") {
		t.Error("the token is good for another audience")
	}
	if err := client.CoreV1().Pods(ns).Delete(t.Context(), p.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the token", func(context.Context) (bool, error) { return !authenticated(t, token, audience), nil })
}

func read(t *testing.T, token string) (c claims) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func authenticated(t *testing.T, token, audience string) bool {
	t.Helper()
	review, err := client.AuthenticationV1().TokenReviews().Create(t.Context(), &authv1.TokenReview{
		Spec: authv1.TokenReviewSpec{Token: token, Audiences: []string{audience}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return review.Status.Authenticated
}
