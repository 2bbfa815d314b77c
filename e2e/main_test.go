//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"k8s.io/client-go/kubernetes"

	"github.com/sallyport/sallyport/e2e/cluster"
)

// The cluster that all tests of this package share, each in a namespace of
// its own.
var (
	shared *cluster.Cluster
	client kubernetes.Interface
)

func TestMain(m *testing.M) {
	status, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func run(m *testing.M) (status int, err error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		return 1, err
	}
	if shared, err = cluster.Up(ctx, cluster.Options{Dir: dir, Progress: os.Stderr}); err != nil {
		return 1, err // with the directory left, for its logs
	}
	defer func() { err = errors.Join(err, shared.Down(ctx), os.RemoveAll(dir)) }()
	if client, err = shared.Client(); err != nil {
		return 1, err
	}
	return m.Run(), nil
}
