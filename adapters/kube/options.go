package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools"
)

// Catalogue finds the manifests of tools.
type Catalogue interface {
	Manifest(name string) (tools.Manifest, bool)
}

// Images tells whether an image, by digest, is signed by one of the operators'
// keys: nil, an error of kind Denied, or one of kind Unavailable.
type Images interface {
	Verify(ctx context.Context, image string) error
}

// Reply is how executors reach this worker with what they found.
type Reply struct {
	Listener net.Listener // the runner closes it
	Address  string       // host:port under which pods reach the listener; the host is an IP address
	// Namespace and Labels select this worker's pod, for the network policies
	// that let executors through to it.
	Namespace string
	Labels    map[string]string
}

// Options are what a [Runner] is made of. All but Images and Reply are required.
type Options struct {
	Client    kubernetes.Interface
	Recorder  sallyport.Recorder // where it is recorded which Job a run has
	Catalogue Catalogue
	Namespace string          // where Jobs run
	Targets   []string        // the namespaces that calls may be about
	Executor  string          // the image of cmd/kubeexec, by digest
	APIServer []tools.Network // where pods reach the API server: its own addresses, not its Service's
	Images    Images          // nil refuses what has to be signed
	Reply     *Reply          // nil has every outcome read from the pod's log
	TTL       time.Duration   // how long a Job is kept after its outcome is recorded
	Patience  time.Duration   // how long a pod may find no node before the call fails
	Logger    *slog.Logger
}

var digest = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)

func (o Options) check() error {
	switch {
	case o.Client == nil, o.Recorder == nil, o.Catalogue == nil, o.Logger == nil, o.Namespace == "":
		return errors.New("kube: Options.Client, Recorder, Catalogue, Namespace and Logger are required")
	case len(o.Targets) == 0:
		return errors.New("kube: Options.Targets names no namespace: no call could run")
	case slices.Contains(o.Targets, o.Namespace):
		return fmt.Errorf("kube: the namespace %s, where Jobs run, can't be one that calls are about: they would touch each other", o.Namespace)
	case !digest.MatchString(o.Executor):
		return fmt.Errorf("kube: the executor's image %q must be pinned by digest, such as registry.example.com/kubeexec@sha256:…", o.Executor)
	case len(o.APIServer) == 0:
		return errors.New("kube: Options.APIServer is empty: no tool could reach the API server")
	case o.TTL < 0, o.Patience <= 0:
		return errors.New("kube: Options.TTL and Patience must be times")
	}
	return nil
}

// Connect makes a client for the cluster that this process runs in, or for
// that of a kubeconfig file.
func Connect(kubeconfig string) (kubernetes.Interface, error) {
	var c *rest.Config
	var err error
	if kubeconfig == "" {
		c, err = rest.InClusterConfig()
	} else {
		c, err = clientcmd.BuildConfigFromFlags("", kubeconfig)
	}
	if err != nil {
		return nil, sallyport.Errorf(sallyport.Invalid, sallyport.CodeNoCluster, "kube: the way to the API server can't be found: %w", err)
	}
	// A call takes a dozen requests, and many calls run at once: the API server
	// has its own means against too many.
	c.QPS, c.Burst = 500, 1000
	c.UserAgent = "sallyport-worker"
	return kubernetes.NewForConfig(c)
}
