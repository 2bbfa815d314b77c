package platform

import (
	"context"
	"syscall"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KillWorker kills the worker's process, which gets no chance to do anything,
// and has its pod replaced, so that the next one doesn't wait for how often
// this one died.
func (p *Platform) KillWorker(ctx context.Context) error {
	pid, err := p.cluster.Process("/sallyport-gateway", "worker")
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	pods := p.Kube.CoreV1().Pods(Namespace)
	l, err := pods.List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=worker"})
	if err != nil {
		return err
	}
	for _, pod := range l.Items {
		if err := pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
			return err
		}
	}
	return nil
}
