//go:build e2e

package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/e2e/cluster"
	"github.com/sallyport/sallyport/sallyporttest/program"
	"github.com/sallyport/sallyport/tools/wire"
)

const kubeexecImage = "cluster.local/kubeexec:1"

// loadKubeexec builds the executor and loads an image of it.
func loadKubeexec(t *testing.T) {
	t.Helper()
	dir, err := program.Build(t.Context(), os.Stderr, "..", "./cmd/kubeexec")
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "kubeexec.tar")
	if err := (cluster.Image{Ref: kubeexecImage, Source: filepath.Join(dir, "kubeexec")}).Write(archive); err != nil {
		t.Fatal(err)
	}
	if err := shared.Load(t.Context(), archive); err != nil {
		t.Fatal(err)
	}
}

// executor is a pod of the executor that carries out a call in one mode.
func executor(t *testing.T, c *toolCall, mode wire.Mode, account string) *corev1.Pod {
	t.Helper()
	request, err := json.Marshal(wire.Request{Mode: mode, Intent: c.intent})
	if err != nil {
		t.Fatal(err)
	}
	p := &corev1.Pod{Spec: spec(kubeexecImage)}
	p.GenerateName = "agent-tool-"
	p.Spec.ServiceAccountName = account
	p.Spec.Volumes = []corev1.Volume{{Name: "api", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
		{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: filepath.Base(wire.APITokenFile), ExpirationSeconds: new(int64(600))}},
		{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
			Items:                []corev1.KeyToPath{{Key: "ca.crt", Path: filepath.Base(wire.APICAFile)}},
		}},
	}}}}}
	tool := &p.Spec.Containers[0]
	tool.VolumeMounts = []corev1.VolumeMount{{Name: "api", MountPath: filepath.Dir(wire.APITokenFile), ReadOnly: true}}
	tool.Env = []corev1.EnvVar{{Name: wire.EnvRequest, Value: string(request)}}
	if mode == wire.ModeRun {
		tool.Env = append(tool.Env,
			corev1.EnvVar{Name: wire.EnvLease, Value: c.ns + "/" + c.object(wire.ModeRun).Name},
			corev1.EnvVar{Name: wire.EnvPodUID, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.uid"}}})
	}
	return p
}

// TestKubeexecInPods runs the program as it will be run: restricted, with a
// projected token, and its answer as the last line of its log. Two pods are
// made for one call, and one of them acts.
func TestKubeexecInPods(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	loadKubeexec(t)
	d := deployment(t, ns, "api")
	c := callOf(t, ns, "k8s_scale_deployment", map[string]any{"name": "api", "replicas": 2})
	c.grant(t, wire.ModeRun)
	c.free(t)
	account := c.object(wire.ModeRun).Name
	first, second := create(t, ns, executor(t, c, wire.ModeRun, account)), create(t, ns, executor(t, c, wire.ModeRun, account))
	codes := map[string]int{}
	for _, p := range []*corev1.Pod{first, second} {
		succeeded, said := finish(t, p)
		line, ok := strings.CutSuffix(said, "\n")
		var res wire.Response
		if err := json.Unmarshal([]byte(line), &res); err != nil || !ok || !succeeded {
			t.Fatalf("the pod said %q (succeeded: %t)", said, succeeded)
		}
		code := ""
		if res.Error != nil {
			code = res.Error.Code
		} else if res.Reference != string(d.UID) {
			t.Errorf("reference %q", res.Reference)
		}
		codes[code]++
	}
	if codes[""] != 1 || codes[sallyport.CodeNotBegun] != 1 {
		t.Errorf("the pods answered with the codes %v, want one success and one %s", codes, sallyport.CodeNotBegun)
	}
	if *current(t, d).Spec.Replicas != 2 {
		t.Error("nothing was scaled")
	}
	succeeded, said := finish(t, create(t, ns, executor(t, c, wire.ModeReconcile, account)))
	if !succeeded || !strings.HasPrefix(said, `{"result":{"changed":true`) {
		t.Errorf("reconciling said %q", said)
	}
}
