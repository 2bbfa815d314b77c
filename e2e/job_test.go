//go:build e2e

package e2e_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sallyport/sallyport/e2e/cluster"
)

// TestJobOfALoadedImage runs an image that was made here, and is in no
// registry, from both forms that images come in.
func TestJobOfALoadedImage(t *testing.T) {
	t.Parallel()
	archive := func(t *testing.T, ref string) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), "image.tar")
		image := cluster.Image{Ref: ref, Source: shared.Programs.Testbox, Command: []string{"print", "loaded"}}
		if err := image.Write(file); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for name, write := range map[string]func(*testing.T, string) string{"docker-archive": archive, "oci-layout": layout} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			ref := "cluster.local/" + name + ":1"
			if err := shared.Load(t.Context(), write(t, ref)); err != nil {
				t.Fatal(err)
			}
			job, err := client.BatchV1().Jobs(ns).Create(t.Context(), &batchv1.Job{
				ObjectMeta: metav1.ObjectMeta{Name: "hello"},
				Spec:       batchv1.JobSpec{BackoffLimit: new(int32(0)), Template: corev1.PodTemplateSpec{Spec: spec(ref)}},
			}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "the Job", func(ctx context.Context) (bool, error) {
				j, err := client.BatchV1().Jobs(ns).Get(ctx, job.Name, metav1.GetOptions{})
				if err == nil && j.Status.Failed > 0 {
					err = fmt.Errorf("it failed: %+v", j.Status)
				}
				return err == nil && j.Status.Succeeded == 1, err
			})
			pods, err := client.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{LabelSelector: "job-name=" + job.Name})
			if err != nil || len(pods.Items) != 1 {
				t.Fatalf("the Job has %d pods, want 1 (%v)", len(pods.Items), err)
			}
			if said := logs(t, &pods.Items[0]); said != "loaded\n" {
				t.Errorf("the Job said %q", said)
			}
		})
	}
}

// layout writes an image as the Open Container Initiative lays it out in a
// directory.
func layout(t *testing.T, ref string) string {
	t.Helper()
	dir := t.TempDir()
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	type object = map[string]any
	blob := func(kind string, data []byte) object {
		digest := fmt.Sprintf("%x", sha256.Sum256(data))
		write(filepath.Join(blobs, digest), data)
		return object{"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + digest, "size": len(data)}
	}
	marshal := func(v any) []byte {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	binary, err := os.ReadFile(shared.Programs.Testbox)
	if err != nil {
		t.Fatal(err)
	}
	var tarball bytes.Buffer
	tw := tar.NewWriter(&tarball)
	if err := tw.WriteHeader(&tar.Header{Name: "app", Mode: 0o755, Size: int64(len(binary))}); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Write(binary); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	layer := blob("layer.v1.tar", tarball.Bytes())
	config := blob("config.v1+json", marshal(object{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": object{"User": cluster.User, "Entrypoint": []string{"/app", "print", "loaded"}},
		"rootfs": object{"type": "layers", "diff_ids": []any{layer["digest"]}},
	}))
	manifest := blob("manifest.v1+json", marshal(object{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": []any{layer},
	}))
	manifest["annotations"] = object{"io.containerd.image.name": ref}
	write(filepath.Join(dir, "index.json"), marshal(object{"schemaVersion": 2, "manifests": []any{manifest}}))
	write(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return dir
}
