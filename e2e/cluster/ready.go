package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sallyport/sallyport/e2e/internal/forward"
	"github.com/sallyport/sallyport/e2e/internal/node"
)

// patience is how long a cluster may take to get ready, on a machine that has
// much else to do.
const patience = 3 * time.Minute

// Kubeconfig is the file that says how to reach the cluster as its
// administrator.
func (c *Cluster) Kubeconfig() string { return c.dir.Kubeconfig() }

// Logs is the directory with a file of each program's words.
func (c *Cluster) Logs() string { return c.dir.Logs() }

// Config is for clients of the cluster that are its administrator's.
func (c *Cluster) Config() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 200, 400
	return config, nil
}

// Client may do anything in the cluster.
func (c *Cluster) Client() (kubernetes.Interface, error) {
	config, err := c.Config()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// Forward opens a port of the machine's loopback that leads to target,
// "address:port" as the node reaches it: a Service's, a pod's, or the node's
// own for a node port. It is open until ctx ends. listen is "127.0.0.1:0" for
// any port. Policies never deny the node.
func (c *Cluster) Forward(ctx context.Context, listen, target string) (net.Addr, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	go func() { _ = forward.Serve(ctx, l, c.network(), target) }()
	return l.Addr(), nil
}

// Dial connects with target, which is as for Forward.
func (c *Cluster) Dial(ctx context.Context, target string) (net.Conn, error) {
	return forward.Dial(ctx, c.network(), target)
}

// network is the file of the node's network namespace.
func (c *Cluster) network() string { return fmt.Sprintf("/proc/%d/ns/net", c.state.Node) }

// ready waits until pods can run and resolve names.
func (c *Cluster) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		err := c.look(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-c.ended:
			return errors.New("the cluster ended before it was ready")
		case <-ctx.Done():
			return fmt.Errorf("the cluster is not ready: %w; its logs are in %s", err, c.Logs())
		case <-again.C:
		}
	}
}

// look says what is not ready.
func (c *Cluster) look(ctx context.Context) (err error) {
	if c.state, err = c.dir.State(); err != nil {
		return err
	}
	client, err := c.Client()
	if err != nil {
		return err
	}
	n, err := client.CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !nodeReady(n) {
		return errors.New("the node is not")
	}
	if _, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{}); err != nil {
		return err
	}
	dns, err := client.AppsV1().Deployments("kube-system").Get(ctx, "coredns", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if dns.Status.ReadyReplicas == 0 {
		return errors.New("CoreDNS is not")
	}
	return nil
}

func nodeReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue && len(n.Spec.Taints) == 0
		}
	}
	return false
}

// Node is the first process of the node's namespaces, as this machine counts.
func (c *Cluster) Node() int { return c.state.Node }

// Supervisor is the process that ends the node and removes what it leaves.
func (c *Cluster) Supervisor() int { return c.state.Supervisor }
