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

// Images verifies that an image, given by digest, is signed with one of the
// operators' keys. Its errors are of kind Denied or Unavailable.
type Images interface {
	Verify(ctx context.Context, image string) error
}

// ResultReceiver is where executors post their responses to this worker.
type ResultReceiver struct {
	Listener net.Listener // the runner closes it
	Address  string       // host:port under which pods reach the listener; the host is an IP address
	// Namespace and Labels select this worker's pod in the NetworkPolicies that
	// let executors connect to it.
	Namespace string
	Labels    map[string]string
}

// Options configure a [Runner]. All but Images and ResultReceiver are required.
type Options struct {
	Client      kubernetes.Interface
	Recorder    sallyport.Recorder // records which Job a run has
	Catalogue   Catalogue
	Namespace   string          // where Jobs run
	Targets     []string        // the namespaces that calls may be about
	Executor    string          // the image of cmd/kubeexec, by digest
	APIServer   []tools.Network // where pods reach the API server: its own addresses, not its Service's
	Annotations []string        // that manifests may set, beside the tool's own
	Images      Images          // nil: images that policy requires to be signed are refused
	// ResultReceiver may be nil: the worker reads every outcome from the pod's log.
	ResultReceiver *ResultReceiver
	TTL            time.Duration // how long a Job is kept after its outcome is recorded
	Patience       time.Duration // how long a pod may be unschedulable before the call fails
	Logger         *slog.Logger
}

var digest = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)

func (o Options) check() error {
	switch {
	case o.Client == nil, o.Recorder == nil, o.Catalogue == nil, o.Logger == nil, o.Namespace == "":
		return errors.New("kube: Options.Client, Recorder, Catalogue, Namespace and Logger are required")
	case len(o.Targets) == 0:
		return errors.New("kube: Options.Targets is empty; want the namespaces that calls may change")
	case slices.Contains(o.Targets, o.Namespace):
		return fmt.Errorf("kube: namespace %s is both Options.Namespace and one of Options.Targets; want a namespace for Jobs alone, so that calls cannot change Jobs", o.Namespace)
	case !digest.MatchString(o.Executor):
		return fmt.Errorf("kube: the executor's image %q must be pinned by digest; want registry.example.com/kubeexec@sha256:…", o.Executor)
	case len(o.APIServer) == 0:
		return errors.New("kube: Options.APIServer is empty; want the addresses under which pods reach the API server")
	case o.TTL < 0, o.Patience <= 0:
		return errors.New("kube: Options.TTL must not be negative, and Patience must be positive")
	}
	return nil
}

// Connect makes a client for the cluster of a kubeconfig file, or, without one,
// for the cluster that this process runs in.
func Connect(kubeconfig string) (kubernetes.Interface, error) {
	var c *rest.Config
	var err error
	if kubeconfig == "" {
		c, err = rest.InClusterConfig()
	} else {
		c, err = clientcmd.BuildConfigFromFlags("", kubeconfig)
	}
	if err != nil {
		return nil, sallyport.Errorf(sallyport.Invalid, sallyport.CodeNoCluster, "kube: no address of an API server; run the worker in a pod, or set kubernetes.kubeconfig: %w", err)
	}
	// A call takes a dozen requests, and many calls run at once. The API server
	// limits requests itself (API priority and fairness).
	c.QPS, c.Burst = 500, 1000
	c.UserAgent = "sallyport-worker"
	return kubernetes.NewForConfig(c)
}
