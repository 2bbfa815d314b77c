package kube

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sallyport/sallyport/tools/wire"
)

const (
	// nonroot is the user that tools run as: "nonroot" of most images without a
	// shell.
	nonroot = 65532
	// tokenSeconds is the shortest lifetime that Kubernetes gives a projected token.
	tokenSeconds = 600
	// leaveSeconds is how long a node may be unreachable before Kubernetes evicts
	// its pods.
	leaveSeconds = 5
	// planTTLSeconds is how long the Job of a plan outlives a worker that died.
	planTTLSeconds = 30
)

// job describes the Job. Kubernetes never retries it.
func (r *Runner) job(t task) (*batchv1.Job, error) {
	c, err := r.container(t)
	if err != nil {
		return nil, err
	}
	j := &batchv1.Job{ObjectMeta: t.meta(r.o.Namespace)}
	j.Spec = batchv1.JobSpec{
		BackoffLimit: new(int32(0)), Completions: new(int32(1)), Parallelism: new(int32(1)),
		PodReplacementPolicy:  new(batchv1.Failed),              // a pod that is ending may still act
		ActiveDeadlineSeconds: new(seconds(t.limit + exitTime)), // in case no worker is left to stop it
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: t.labels(), Annotations: map[string]string{annotationTool: t.intent.Tool.Name}},
			Spec:       r.pod(t, c),
		},
	}
	if t.mode == wire.ModeRun { // it stays until its outcome is recorded
		j.Finalizers = []string{finalizer}
	} else {
		j.Spec.TTLSecondsAfterFinished = new(int32(planTTLSeconds))
	}
	return j, nil
}

func seconds(d time.Duration) int64 { return max(1, int64((d+time.Second-1)/time.Second)) }

func (r *Runner) pod(t task, c corev1.Container) corev1.PodSpec {
	s := corev1.PodSpec{
		ServiceAccountName: t.name, AutomountServiceAccountToken: new(false), EnableServiceLinks: new(false),
		RestartPolicy: corev1.RestartPolicyNever, TerminationGracePeriodSeconds: new(int64(1)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(int64(nonroot)), RunAsGroup: new(int64(nonroot)), FSGroup: new(int64(nonroot)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{c}, Volumes: r.volumes(t),
	}
	if t.manifest.Container != nil && t.manifest.Container.RuntimeClass != "" {
		s.RuntimeClassName = new(t.manifest.Container.RuntimeClass)
	}
	for _, taint := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		s.Tolerations = append(s.Tolerations, corev1.Toleration{
			Key: taint, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(leaveSeconds)),
		})
	}
	return s
}

func (r *Runner) container(t task) (corev1.Container, error) {
	c := corev1.Container{
		Name: container, Image: r.image(t), ImagePullPolicy: corev1.PullIfNotPresent, Env: r.environment(t),
		Resources: resources(t.manifest.Limits.MemoryMiB), VolumeMounts: r.mounts(t),
		TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true), RunAsNonRoot: new(true), Privileged: new(false),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
	if !t.builtin() {
		var err error
		c.Command, c.Args, err = t.command()
		return c, err
	}
	request, err := r.request(t)
	c.Env = append(c.Env, corev1.EnvVar{Name: wire.EnvRequest, Value: literally(request)})
	return c, err
}

func (r *Runner) image(t task) string {
	if t.builtin() {
		return r.o.Executor
	}
	return t.manifest.Container.Image
}

// resources are limited to what the manifest allows. Requests are small, because
// most tools wait for an API: a node must not seem full of them.
func resources(memoryMiB int) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Limits: corev1.ResourceList{
			corev1.ResourceCPU:              resource.MustParse("1"),
			corev1.ResourceMemory:           *resource.NewQuantity(int64(memoryMiB)<<20, resource.BinarySI),
			corev1.ResourceEphemeralStorage: resource.MustParse("64Mi"),
		},
		Requests: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse("10m"),
			corev1.ResourceMemory: resource.MustParse("32Mi"),
		},
	}
}

// environment holds no secrets.
func (r *Runner) environment(t task) []corev1.EnvVar {
	env := []corev1.EnvVar{{Name: "CALL_ID", Value: t.intent.CallID}, {Name: "TOOL_NAME", Value: t.intent.Tool.Name}}
	if t.trace != "" {
		env = append(env, corev1.EnvVar{Name: "TRACEPARENT", Value: literally(t.trace)})
	}
	if !t.builtin() {
		for _, name := range slices.Sorted(maps.Keys(t.manifest.Container.Env)) {
			env = append(env, corev1.EnvVar{Name: name, Value: literally(t.manifest.Container.Env[name])})
		}
		return env
	}
	env = append(env, corev1.EnvVar{Name: wire.EnvPodUID, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.uid"}}})
	if t.leased() {
		env = append(env, corev1.EnvVar{Name: wire.EnvLease, Value: t.intent.Namespace + "/" + t.name})
	}
	if r.posts(t) {
		env = append(env,
			corev1.EnvVar{Name: wire.EnvReplyURL, Value: fmt.Sprintf("https://%s/reply/%s", r.o.ResultReceiver.Address, t.name)},
			corev1.EnvVar{Name: wire.EnvReplyCA, Value: r.receiver.certificate})
	}
	return env
}

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
