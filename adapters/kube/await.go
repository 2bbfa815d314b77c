package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

const (
	// podTime is how long a Job may have no pod before the worker reads its events.
	podTime = 3 * time.Second
	// stopTime bounds the wait for a stopped pod to end.
	stopTime = 15 * time.Second
	// logTime bounds the reading of a pod's log.
	logTime = 20 * time.Second
)

// await waits for a Job's result: the response that its executor posts, or the
// exit of its pod. When ctx ends, await stops the Job.
func (r *Runner) await(ctx context.Context, t task, j *batchv1.Job) jobResult {
	w, stop := r.pods.wait(t, j.UID)
	defer stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case raw := <-w.posted:
			return read(raw, t.mode)
		case <-w.changed:
		case <-tick.C:
		case <-ctx.Done():
			return r.stop(ctx, t, j, w)
		}
		if a, over := r.look(ctx, t, j, w); over {
			return a
		}
	}
}

// look classifies the Job's pod as it is now.
func (r *Runner) look(ctx context.Context, t task, j *batchv1.Job, w *waiter) (jobResult, bool) {
	now := time.Now()
	pod, gone := r.pods.pod(j.UID, w)
	if pod == nil {
		if now.Sub(j.CreationTimestamp.Time) < podTime {
			return jobResult{}, false
		}
		return r.podless(ctx, t, j, w)
	}
	e := classify(pod, now, r.o.Patience)
	switch {
	case e.over && e.exited:
		a := r.log(ctx, t, pod, e)
		a.at = e.at
		return a, true
	case e.over:
		r.end(ctx, t, j)
		return jobResult{failure: e.failure, began: e.began || !r.unstarted(ctx, t, j, w), broken: true}, true
	case gone:
		r.end(ctx, t, j)
		return jobResult{failure: &sallyport.Failure{Code: sallyport.CodePodLost, Message: "the pod was removed before the worker saw its end"}, began: true, broken: true}, true
	}
	return jobResult{}, false
}

// podless finds out why a Job has no pod: the API server rejects the pod, or the
// Job has ended and its pod was removed.
func (r *Runner) podless(ctx context.Context, t task, j *batchv1.Job, w *waiter) (jobResult, bool) {
	now, err := r.adopt(ctx, j.Name, t.intent)
	switch {
	case apierrors.IsNotFound(err):
		return failed(sallyport.CodePodLost, "the Job was removed while it ran"), true
	case err != nil || now.UID != j.UID:
		return jobResult{}, false
	case now.Status.Failed+now.Status.Succeeded > 0 || now.DeletionTimestamp != nil:
		return failed(sallyport.CodePodLost, "the Job has ended (%s), and its pod was removed", said(ending(now))), true
	case now.Status.Active > 0: // the watch is late
		return jobResult{}, false
	}
	events, err := r.o.Client.CoreV1().Events(r.o.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: "involvedObject.uid=" + string(j.UID) + ",reason=FailedCreate",
	})
	if err != nil || rejections(events.Items) < lastRejection {
		return jobResult{}, false
	}
	r.end(ctx, t, j)
	a := failed(sallyport.CodePodRefused, "the Kubernetes API server rejected the pod: %s", said(events.Items[len(events.Items)-1].Message))
	a.began = !r.unstarted(ctx, t, j, w)
	return a, true
}

// lastRejection is the number of rejections after which a run fails: the first may
// be due to the pod's new ServiceAccount, which not every API server knows yet.
const lastRejection = 2

func rejections(events []corev1.Event) (n int32) {
	for _, e := range events {
		n += max(1, e.Count)
	}
	return n
}

func ending(j *batchv1.Job) string {
	for _, c := range j.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobFailed || c.Type == batchv1.JobComplete) {
			return string(c.Type) + " " + c.Reason + " " + c.Message
		}
	}
	return "being deleted"
}

// log reads the output of a process that has ended.
func (r *Runner) log(ctx context.Context, t task, pod *corev1.Pod, e exit) jobResult {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logTime)
	defer cancel()
	limit := int64(t.manifest.Limits.OutputBytes)
	var out []byte
	err := r.persist(ctx, func(ctx context.Context) error {
		s, err := r.o.Client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: container, LimitBytes: new(limit + 1)}).Stream(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }()
		out, err = io.ReadAll(io.LimitReader(s, limit+1))
		return err
	})
	switch {
	case err != nil:
		r.o.Logger.WarnContext(ctx, "could not read a pod's log", slog.String("pod", pod.Name), slog.Any("error", err))
		return failed(sallyport.CodePodLost, "the tool ended with exit code %d, and its log could not be read", e.code)
	case int64(len(out)) > limit:
		return failed(sallyport.CodeOutputTooLarge, "the tool wrote more than the %d bytes that its manifest allows", limit)
	case !t.builtin():
		return imageResult(out, e.code, t.intent.Secrets())
	case e.code != 0:
		a := failed(sallyport.CodeCrashed, "the executor ended with exit code %d", e.code)
		a.detail = said(string(out))
		return a
	}
	return read(lastLine(out), t.mode)
}

func lastLine(out []byte) []byte {
	out = bytes.TrimRight(out, "\n")
	return out[bytes.LastIndexByte(out, '\n')+1:]
}

// stop ends a Job whose time is over or whose run is cancelled, and reports how
// far it came.
func (r *Runner) stop(ctx context.Context, t task, j *batchv1.Job, w *waiter) jobResult {
	code, message := sallyport.CodeCancelled, "the run was stopped"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		code, message = sallyport.CodeTimeout, "the tool did not end within its time limit"
	}
	r.o.Logger.WarnContext(ctx, "stopping a run", slog.String("job", t.name), slog.Any("error", context.Cause(ctx)))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	r.end(ctx, t, j)
	return r.stopped(ctx, t, j, w, jobResult{failure: &sallyport.Failure{Code: code, Message: message}, began: true, broken: true})
}

// stopped waits for the end of a Job that the worker stops: until ctx ends, or
// until the result of an executor arrives that had finished before.
func (r *Runner) stopped(ctx context.Context, t task, j *batchv1.Job, w *waiter, stopped jobResult) jobResult {
	for {
		select {
		case raw := <-w.posted:
			return read(raw, t.mode)
		case <-w.changed:
		case <-ctx.Done():
			return w.last(t, stopped)
		}
		pod, gone := r.pods.pod(j.UID, w)
		if pod == nil {
			continue
		}
		if e := classify(pod, time.Now(), r.o.Patience); e.exited && e.code == 0 {
			return r.log(ctx, t, pod, e)
		} else if e.over || gone {
			stopped.began = e.began || gone && !e.over || !r.unstarted(ctx, t, j, w)
			return stopped
		}
	}
}

// last returns the response that the executor has posted by the time the wait
// ends, or otherwise. A select with several channels ready picks one at random
// and could miss the response.
func (w *waiter) last(t task, otherwise jobResult) jobResult {
	select {
	case raw := <-w.posted:
		return read(raw, t.mode)
	default:
		return otherwise
	}
}

// end sets a deadline of one second, so that the Job controller ends the pod.
func (r *Runner) end(ctx context.Context, t task, j *batchv1.Job) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	p := jobPatch{}
	p.Spec.ActiveDeadlineSeconds = new(int64(1))
	if err := r.patchJob(ctx, t.name, j.UID, p); err != nil && !apierrors.IsNotFound(err) {
		r.o.Logger.WarnContext(ctx, "could not end a Job", slog.String("job", t.name), slog.Any("error", err))
	}
}

// patchJob patches the Job with this UID. The API server rejects the patch if
// another Job has the name by now.
func (r *Runner) patchJob(ctx context.Context, name string, uid types.UID, patch jobPatch) error {
	patch.Metadata.UID = uid
	b, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	return r.persist(ctx, func(ctx context.Context) error {
		_, err := r.o.Client.BatchV1().Jobs(r.o.Namespace).Patch(ctx, name, types.MergePatchType, b, metav1.PatchOptions{})
		return err
	})
}

// jobPatch holds the only fields of a Job that the worker changes.
type jobPatch struct {
	Metadata struct {
		UID        types.UID `json:"uid"`
		Finalizers *[]string `json:"finalizers,omitempty"`
	} `json:"metadata"`
	Spec struct {
		ActiveDeadlineSeconds   *int64 `json:"activeDeadlineSeconds,omitempty"`
		TTLSecondsAfterFinished *int64 `json:"ttlSecondsAfterFinished,omitempty"`
	} `json:"spec"`
}

func (r *Runner) deleteJob(ctx context.Context, name string) error {
	err := r.persist(ctx, func(ctx context.Context) error {
		return r.o.Client.BatchV1().Jobs(r.o.Namespace).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)})
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// read parses an executor's response.
func read(raw []byte, mode wire.Mode) jobResult {
	response, err := wire.Read(raw, mode)
	if err != nil {
		return failed(sallyport.CodeBadOutput, "%v", err)
	}
	return jobResult{response: response, failure: response.Error, began: true}
}
