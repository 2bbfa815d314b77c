//go:build e2e

// Package runs_test runs calls on a real cluster by the kube runner, which has
// the rights of the worker as it is deployed, and no more.
package runs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sallyport/sallyport/e2e/chart"
	"github.com/sallyport/sallyport/e2e/cluster"
	"github.com/sallyport/sallyport/e2e/internal/intrusion"
	"github.com/sallyport/sallyport/sallyporttest/program"
	"github.com/sallyport/sallyport/tools"
)

// execution is where Jobs of calls run.
const execution = "agent-execution"

// targets are namespaces that calls may be about.
var targets = []string{"staging", "production"}

// bench is what the tests of this package share.
var bench struct {
	cluster   *cluster.Cluster
	admin     kubernetes.Interface // may everything
	worker    kubernetes.Interface // what the worker may
	nodes     kubernetes.Interface // what a node may: have tokens made
	executor  string               // image of the built-in tools, by digest
	odd       string               // image of oddtool
	intruder  string               // image of intruder
	catalogue *tools.Catalogue
}

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
	dir, err := os.MkdirTemp("", "runs-")
	if err != nil {
		return 1, err
	}
	if bench.cluster, err = cluster.Up(ctx, cluster.Options{Dir: dir, Progress: os.Stderr}); err != nil {
		return 1, err // with the directory left, for its logs
	}
	defer func() { err = errors.Join(err, bench.cluster.Down(ctx), os.RemoveAll(dir)) }()
	if err := prepare(ctx, dir); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

func prepare(ctx context.Context, dir string) (err error) {
	if bench.executor, err = image(ctx, dir, "kubeexec", "../..", "./cmd/kubeexec"); err != nil {
		return err
	}
	if bench.odd, err = image(ctx, dir, "oddtool", "..", "./cmd/oddtool"); err != nil {
		return err
	}
	if bench.intruder, err = image(ctx, dir, "intruder", "..", "./cmd/intruder"); err != nil {
		return err
	}
	if bench.catalogue, err = tools.Load(tools.Embedded(), manifests()); err != nil {
		return err
	}
	if bench.admin, err = bench.cluster.Client(); err != nil {
		return err
	}
	for _, name := range append([]string{"sallyport"}, targets...) {
		n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
		if _, err := bench.admin.CoreV1().Namespaces().Create(ctx, n, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	homeless := &nodev1.RuntimeClass{
		ObjectMeta: metav1.ObjectMeta{Name: "homeless"}, Handler: "runc",
		Scheduling: &nodev1.Scheduling{NodeSelector: map[string]string{"nobody": "has"}},
	}
	if _, err := bench.admin.NodeV1().RuntimeClasses().Create(ctx, homeless, metav1.CreateOptions{}); err != nil {
		return err
	}
	if err := install(ctx); err != nil {
		return err
	}
	config, err := bench.cluster.Config()
	if err != nil {
		return err
	}
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 500, 1000
	as := func(user string, groups ...string) (kubernetes.Interface, error) {
		config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:authenticated")}
		return kubernetes.NewForConfig(config)
	}
	if bench.worker, err = as("system:serviceaccount:sallyport:sallyport-worker", "system:serviceaccounts", "system:serviceaccounts:sallyport"); err != nil {
		return err
	}
	bench.nodes, err = as("an-administrator", "system:masters", "system:nodes")
	return err
}

// image builds a program, makes an image of it, loads it into the cluster, and
// returns its name by digest.
func image(ctx context.Context, dir, name, module, pkg string) (string, error) {
	programs, err := program.Build(ctx, os.Stderr, module, pkg)
	if err != nil {
		return "", err
	}
	archive := filepath.Join(dir, name+".tar")
	out, err := program.Go(ctx, "../..", "run", "-trimpath", "./deploy/image", "--name=cluster.local/"+name+":1", "--out="+archive, "/"+name+"="+filepath.Join(programs, name))
	if err != nil {
		return "", err
	}
	ref, _, _ := strings.Cut(out, " ")
	return ref, bench.cluster.Load(ctx, archive)
}

// install applies what the worker's rights and the cluster's admission policies
// are, as users install them.
func install(ctx context.Context) error {
	lent := bench.catalogue.Union()
	files, err := chart.Render("../../deploy/chart", "sallyport", map[string]any{
		"images":      map[string]any{"executor": bench.executor},
		"permissions": map[string]any{"named": lent.Named, "all": lent.All, "images": lent.Images},
		"network":     map[string]any{"apiServer": map[string]any{"cidrs": []any{"10.88.0.1/32", nowhere}, "port": 443}},
	})
	if err != nil {
		return err
	}
	var text bytes.Buffer
	for _, name := range []string{"namespace.yaml", "rbac.yaml", "network.yaml", "admission-calls.yaml", "admission-execution.yaml", "admission-jobs.yaml", "admission-manifests.yaml", "admission-worker.yaml"} {
		if files[name] == "" {
			return fmt.Errorf("the chart makes no %s", name)
		}
		text.WriteString("---\n" + files[name])
	}
	apply := exec.CommandContext(ctx, bench.cluster.Programs.Kubernetes, "kubectl", "--kubeconfig="+bench.cluster.Kubeconfig(), "apply", "--server-side", "--filename=-")
	apply.Stdin = &text
	if out, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl apply: %w: %s", err, out)
	}
	return nil
}

// nowhere is where no API server answers.
const nowhere = "192.0.2.1/32"

// absent is an image that no registry has.
const absent = "127.0.0.1:1/absent@sha256:00000000000000000000000000000000000000000000000000000000000000ff"

// manifests are tools that are images of their own.
func manifests() fs.FS {
	files := fstest.MapFS{}
	add := func(name, image, command, more string) {
		memory := 64
		if name == "odd_fill" { // the disk of this node is memory too
			memory = 256
		}
		files[name+".yaml"] = &fstest.MapFile{Data: []byte(fmt.Sprintf(`name: %s
title: A tool for tests
description: It does what its name says.
input_schema:
  type: object
  additionalProperties: false
  properties:
    word: {type: string, pattern: "^.*$"}
    count: {type: integer}
mapping: {action: get, resource: pod, namespace: staging, name: nothing}
risk: {read_only: %s}
plan: never
runner: kube
container:
  image: %s
  command: [/oddtool, %s]
%slimits: {timeout: 20s, memory_mib: %d, processes: 64, output_bytes: 4096}
`, name, map[bool]string{true: "false", false: "true"}[strings.HasSuffix(name, "_write")], image, command, more, memory))}
	}
	add("odd_say", bench.odd, `say, "--word=${word}", "${count}", "$(HOME) $$(CALL_ID)"`, "")
	add("odd_word", bench.odd, `say, "${word}"`, "")
	add("odd_fail", bench.odd, `fail, "3"`, "")
	add("odd_shout", bench.odd, `shout, "5000"`, "")
	add("odd_eat", bench.odd, `eat`, "")
	add("odd_eat_write", bench.odd, `eat`, "")
	add("odd_fill", bench.odd, `fill`, "")
	add("odd_wait", bench.odd, `wait`, "")
	add("odd_wait_write", bench.odd, `wait`, "")
	add("odd_absent", absent, `say`, "")
	add("odd_nowhere", bench.odd, `say`, "  runtime_class: nowhere\n")
	add("odd_homeless", bench.odd, `say`, "  runtime_class: homeless\n")
	files["intruder.yaml"] = &fstest.MapFile{Data: []byte(intrusion.Manifest(bench.intruder))}
	return files
}
