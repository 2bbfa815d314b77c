// Kubeexec is the executor of the built-in tools for Kubernetes. The gateway's
// worker starts it as the only process of a pod, one pod per call; people do not
// run it.
//
// Its request stands in the environment, and its response is the last line of
// its standard output; package [github.com/sallyport/sallyport/tools/wire] has
// the contract. It also posts the response to the worker's result receiver, if
// there is one, so that the worker need not wait for the pod's end.
//
// Build it with CGO_ENABLED=0: its image holds no libraries.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools/k8s"
	"github.com/sallyport/sallyport/tools/wire"
)

// longestRun is the longest time limit that a manifest may set. The worker that
// made the pod ends it sooner.
const longestRun = 15 * time.Minute

func main() {
	// A library must not write to standard output: the worker reads it.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	p := program{
		env: os.Getenv, apiToken: wire.APITokenFile, apiCA: wire.APICAFile, replyToken: wire.ReplyTokenFile,
	}
	// The pod's time ends with SIGTERM, and a grace period in which the tool reports
	// what it knows of a write.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	ctx, cancel := context.WithTimeout(ctx, longestRun)
	err := p.run(ctx, os.Stdout)
	cancel()
	stop()
	if err != nil {
		os.Exit(1)
	}
}

// program is the executor with its environment and files.
type program struct {
	env                         func(string) string
	apiToken, apiCA, replyToken string // files
}

// run writes and posts the response. An error means that there is none.
func (p program) run(ctx context.Context, out io.Writer) error {
	response, err := json.Marshal(p.respond(ctx))
	if err != nil {
		return err
	}
	if _, err := out.Write(append(response, '\n')); err != nil {
		return err
	}
	p.post(context.WithoutCancel(ctx), response) // the log holds the response, even if the worker does not receive it
	return nil
}

// respond makes the response, which holds any error.
func (p program) respond(ctx context.Context) (response wire.Response) {
	var request wire.Request
	defer func() {
		if r := recover(); r != nil {
			response = broken("the executor failed: %v", r)
			response.Unknown = request.Mode == wire.ModeRun && !request.Intent.Tool.ReadOnly
		}
	}()
	if err := strict.Decode([]byte(p.env(wire.EnvRequest)), &request); err != nil {
		return broken("%s: %v", wire.EnvRequest, err)
	}
	lease, err := p.lease(request.Intent)
	if err != nil {
		return broken("%v", err)
	}
	cluster, err := p.cluster()
	if err != nil {
		return broken("cannot connect to the API server: %v", err)
	}
	return k8s.Run(ctx, request, cluster, lease)
}

func broken(format string, args ...any) wire.Response {
	return wire.Response{Error: &sallyport.Failure{Code: sallyport.CodeInternal, Message: fmt.Sprintf(format, args...)}}
}

// lease returns the Lease that a run must hold. It is in the namespace that the
// call is about.
func (p program) lease(i sallyport.Intent) (l k8s.Lease, err error) {
	value := p.env(wire.EnvLease)
	if value == "" {
		return l, nil
	}
	namespace, name, ok := strings.Cut(value, "/")
	if !ok || namespace != i.Namespace || name == "" || strings.Contains(name, "/") {
		return l, fmt.Errorf("%s must be <namespace>/<name> in the namespace of the call, not %.200q", wire.EnvLease, value)
	}
	uid := p.env(wire.EnvPodUID)
	if uid == "" {
		return l, fmt.Errorf("%s is set without %s", wire.EnvLease, wire.EnvPodUID)
	}
	return k8s.Lease{Namespace: namespace, Name: name, Holder: uid}, nil
}

// cluster makes a client of the API server, at the address that Kubernetes sets in
// every pod.
func (p program) cluster() (*k8s.Cluster, error) {
	host, port := p.env("KUBERNETES_SERVICE_HOST"), p.env("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be set")
	}
	return k8s.Connect(&rest.Config{
		Host: "https://" + net.JoinHostPort(host, port), BearerTokenFile: p.apiToken,
		Dial: dial,
		// In HTTP/1.1 a request that times out closes its connection, and the
		// next one opens another.
		TLSClientConfig: rest.TLSClientConfig{CAFile: p.apiCA, NextProtos: []string{"http/1.1"}},
	})
}
