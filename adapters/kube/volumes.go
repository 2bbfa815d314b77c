package kube

import (
	"path"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sallyport/sallyport/tools/wire"
)

const (
	apiVolume    = "api"
	resultVolume = "reply"
	tmpVolume    = "tmp"
	tmpSize      = "64Mi"
)

// posts reports whether a task's executor posts its response. A tool's own image
// never does: it gets neither the address nor a token.
func (r *Runner) posts(t task) bool { return r.o.ResultReceiver != nil && t.builtin() }

func resultAudience(name string) string { return "sallyport-reply-" + name }

// volumes hold tokens of the call's own ServiceAccount, each for one audience, and
// the certificate of the API server.
func (r *Runner) volumes(t task) []corev1.Volume {
	var volumes []corev1.Volume
	add := func(name string, sources ...corev1.VolumeProjection) {
		volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			Projected: &corev1.ProjectedVolumeSource{Sources: sources, DefaultMode: new(int32(0o440))},
		}})
	}
	if len(t.rules()) > 0 {
		add(apiVolume, token("", wire.APITokenFile), corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
			Items:                []corev1.KeyToPath{{Key: "ca.crt", Path: path.Base(wire.APICAFile)}},
		}})
	}
	if !t.builtin() { // most programs need one, and their root is read-only
		volumes = append(volumes, corev1.Volume{Name: tmpVolume, VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: new(resource.MustParse(tmpSize))},
		}})
	}
	if r.posts(t) {
		add(resultVolume, token(resultAudience(t.name), wire.ReplyTokenFile))
	}
	return volumes
}

func token(audience, file string) corev1.VolumeProjection {
	return corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
		Audience: audience, ExpirationSeconds: new(int64(tokenSeconds)), Path: path.Base(file),
	}}
}

func (r *Runner) mounts(t task) []corev1.VolumeMount {
	var mounts []corev1.VolumeMount
	places := map[string]string{apiVolume: path.Dir(wire.APITokenFile), resultVolume: path.Dir(wire.ReplyTokenFile), tmpVolume: "/tmp"}
	for _, v := range r.volumes(t) {
		mounts = append(mounts, corev1.VolumeMount{Name: v.Name, MountPath: places[v.Name], ReadOnly: v.Name != tmpVolume})
	}
	return mounts
}
