package kube

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// byJob indexes pods by the UID of the Job that made them.
const byJob = "job"

// pods watches the pods of all Jobs, and wakes the waiter of a pod that changes.
type pods struct {
	informer cache.SharedIndexInformer

	mu      sync.Mutex
	waiters map[types.UID]*waiter
}

// waiter waits for one Job's result.
type waiter struct {
	name    string
	limit   int           // of a response, in bytes
	accepts bool          // whether the result receiver accepts a response
	changed chan struct{} // the Job's pod changed
	posted  chan []byte   // the response that its executor posted
	once    sync.Once     // guards posted: the first response counts
	seen    *corev1.Pod   // the last state of the pod
}

func newPods(client kubernetes.Interface, namespace string) (*pods, error) {
	p := &pods{waiters: map[types.UID]*waiter{}}
	all := client.CoreV1().Pods(namespace)
	p.informer = cache.NewSharedIndexInformer(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = selector
			return all.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = selector
			return all.Watch(ctx, o)
		},
	}, &corev1.Pod{}, 0, cache.Indexers{byJob: jobsOf})
	_, err := p.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    p.wake,
		UpdateFunc: func(_, o any) { p.wake(o) },
		DeleteFunc: p.wake,
	})
	return p, err
}

// jobsOf indexes a pod by its owner.
func jobsOf(o any) ([]string, error) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return nil, nil
	}
	if owner := metav1.GetControllerOf(pod); owner != nil {
		return []string{string(owner.UID)}, nil
	}
	return nil, nil
}

func (p *pods) wake(o any) {
	if tomb, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = tomb.Obj
	}
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return
	}
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.waiters[owner.UID]; w != nil {
		w.seen = pod
		select {
		case w.changed <- struct{}{}:
		default: // the waiter is awake already
		}
	}
}

// wait registers a waiter for a Job's pod, until the caller calls stop.
func (p *pods) wait(t task, job types.UID) (w *waiter, stop func()) {
	w = &waiter{
		name: t.name, limit: t.manifest.Limits.OutputBytes, accepts: t.builtin(),
		changed: make(chan struct{}, 1), posted: make(chan []byte, 1),
	}
	w.changed <- struct{}{} // look at the state from before, too
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiters[job] = w
	return w, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.waiters[job] == w {
			delete(p.waiters, job)
		}
	}
}

// waiting returns the waiter for the response of a Job.
func (p *pods) waiting(name string) (types.UID, *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for uid, w := range p.waiters {
		if w.name == name && w.accepts {
			return uid, w
		}
	}
	return "", nil
}

// pod returns the Job's pod as it is now, or its last state, or nil. gone says
// that the pod was removed.
func (p *pods) pod(job types.UID, w *waiter) (pod *corev1.Pod, gone bool) {
	if all, err := p.informer.GetIndexer().ByIndex(byJob, string(job)); err == nil && len(all) > 0 {
		if pod, ok := all[0].(*corev1.Pod); ok {
			return pod, false
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return w.seen, w.seen != nil
}
