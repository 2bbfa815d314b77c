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
	// podTime is how long a Job may have no pod before its events are read.
	podTime = 3 * time.Second
	// stopTime is how long a pod that is told to end may take.
	stopTime = 15 * time.Second
	// logTime is how long a log is asked for.
	logTime = 20 * time.Second
)

// await waits for a Job's outcome: what its executor posts, or how its pod
// ends. When ctx ends, the Job is stopped.
func (r *Runner) await(ctx context.Context, t task, j *batchv1.Job) answer {
	w, stop := r.pods.wait(t, j.UID)
	defer stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case raw := <-w.reply:
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

// look judges the Job's pod as it is now.
func (r *Runner) look(ctx context.Context, t task, j *batchv1.Job, w *waiter) (answer, bool) {
	now := time.Now()
	pod, gone := r.pods.pod(j.UID, w)
	if pod == nil {
		if now.Sub(j.CreationTimestamp.Time) < podTime {
			return answer{}, false
		}
		return r.podless(ctx, t, j, w)
	}
	v := judge(pod, now, r.o.Patience)
	switch {
	case v.over && v.exited:
		a := r.log(ctx, t, pod, v)
		a.at = v.at
		return a, true
	case v.over:
		r.end(ctx, t, j)
		return answer{failure: v.failure, began: v.began || !r.unstarted(ctx, t, j, w), broken: true}, true
	case gone:
		r.end(ctx, t, j)
		return answer{failure: &sallyport.Failure{Code: sallyport.CodePodLost, Message: "the pod was removed before it was seen to end"}, began: true, broken: true}, true
	}
	return answer{}, false
}

// podless finds out why a Job has no pod: it can't have one, or it is over and
// its pod was removed.
func (r *Runner) podless(ctx context.Context, t task, j *batchv1.Job, w *waiter) (answer, bool) {
	now, err := r.adopt(ctx, j.Name, t.intent)
	switch {
	case apierrors.IsNotFound(err):
		return failed(sallyport.CodePodLost, "the Job was removed while it ran"), true
	case err != nil || now.UID != j.UID:
		return answer{}, false
	case now.Status.Failed+now.Status.Succeeded > 0 || now.DeletionTimestamp != nil:
		return failed(sallyport.CodePodLost, "the Job is over (%s), and its pod is not there any more", said(ending(now))), true
	case now.Status.Active > 0: // the watch is late
		return answer{}, false
	}
	events, err := r.o.Client.CoreV1().Events(r.o.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: "involvedObject.uid=" + string(j.UID) + ",reason=FailedCreate",
	})
	if err != nil || refusals(events.Items) < lastRefusal {
		return answer{}, false
	}
	r.end(ctx, t, j)
	a := failed(sallyport.CodePodRefused, "Kubernetes refused the pod: %s", said(events.Items[len(events.Items)-1].Message))
	a.began = !r.unstarted(ctx, t, j, w)
	return a, true
}

// lastRefusal is how often a pod must have been refused: the first time may be
// because its account, just made, is not known everywhere yet.
const lastRefusal = 2

func refusals(events []corev1.Event) (n int32) {
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

// log reads what a process that has ended wrote.
func (r *Runner) log(ctx context.Context, t task, pod *corev1.Pod, v verdict) answer {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logTime)
	defer cancel()
	limit := int64(t.manifest.Limits.OutputBytes)
	var out []byte
	err := r.persist(ctx, func(ctx context.Context) error {
		s, err := r.o.Client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: container, LimitBytes: new(limit + 1)}).Stream(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }() // it was read
		out, err = io.ReadAll(io.LimitReader(s, limit+1))
		return err
	})
	switch {
	case err != nil:
		r.o.Logger.WarnContext(ctx, "a pod's log could not be read", slog.String("pod", pod.Name), slog.Any("error", err))
		return failed(sallyport.CodePodLost, "the tool ended with exit code %d, and its log could not be read", v.exit)
	case int64(len(out)) > limit:
		return failed(sallyport.CodeOutputTooLarge, "the tool wrote more than the %d bytes that its manifest allows", limit)
	case !t.builtin():
		return foreign(out, v.exit)
	case v.exit != 0:
		a := failed(sallyport.CodeCrashed, "the executor ended with exit code %d", v.exit)
		a.detail = said(string(out))
		return a
	}
	return read(lastLine(out), t.mode)
}

func lastLine(out []byte) []byte {
	out = bytes.TrimRight(out, "\n")
	return out[bytes.LastIndexByte(out, '\n')+1:]
}

// stop ends a Job whose time is over, or that nobody wants any more, and says
// how far it came.
func (r *Runner) stop(ctx context.Context, t task, j *batchv1.Job, w *waiter) answer {
	code, message := sallyport.CodeCancelled, "the run was stopped"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		code, message = sallyport.CodeTimeout, "the tool did not end in time"
	}
	r.o.Logger.WarnContext(ctx, "a run is stopped", slog.String("job", t.name), slog.Any("error", context.Cause(ctx)))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	r.end(ctx, t, j)
	return r.stopped(ctx, t, j, w, answer{failure: &sallyport.Failure{Code: code, Message: message}, began: true, broken: true})
}

// stopped waits for the end of a Job that was told to end: until ctx ends, or
// its executor turns out to have been done already.
func (r *Runner) stopped(ctx context.Context, t task, j *batchv1.Job, w *waiter, stopped answer) answer {
	for {
		select {
		case raw := <-w.reply:
			return read(raw, t.mode)
		case <-w.changed:
		case <-ctx.Done():
			return w.last(t, stopped)
		}
		pod, gone := r.pods.pod(j.UID, w)
		if pod == nil {
			continue
		}
		if v := judge(pod, time.Now(), r.o.Patience); v.exited && v.exit == 0 {
			return r.log(ctx, t, pod, v)
		} else if v.over || gone {
			stopped.began = v.began || gone && !v.over || !r.unstarted(ctx, t, j, w)
			return stopped
		}
	}
}

// last is the reply that is there when nobody waits any more, or otherwise: of
// two channels that are ready, chance takes one.
func (w *waiter) last(t task, otherwise answer) answer {
	select {
	case raw := <-w.reply:
		return read(raw, t.mode)
	default:
		return otherwise
	}
}

// end has the Job controller end a Job's pod, whatever it does.
func (r *Runner) end(ctx context.Context, t task, j *batchv1.Job) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	p := jobPatch{}
	p.Spec.ActiveDeadlineSeconds = new(int64(1))
	if err := r.patchJob(ctx, t.name, j.UID, p); err != nil && !apierrors.IsNotFound(err) {
		r.o.Logger.WarnContext(ctx, "a Job could not be ended", slog.String("job", t.name), slog.Any("error", err))
	}
}

// patchJob changes the one Job that is meant: another of its name is left alone.
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

// jobPatch is all that is ever changed of a Job.
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

// read makes an answer of what an executor wrote.
func read(raw []byte, mode wire.Mode) answer {
	response, err := wire.Read(raw, mode)
	if err != nil {
		return failed(sallyport.CodeBadOutput, "%v", err)
	}
	return answer{response: response, failure: response.Error, began: true}
}
