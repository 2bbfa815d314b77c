//go:build e2e

package platform_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/e2e/cluster"
	"github.com/sallyport/sallyport/tools"
)

// toolTest is a tool's arguments, without braces and namespace. POD is the pod
// of the deployment "tool".
type toolTest struct {
	allowed, asked string   // asked is "" for tools that read
	approvers      []string // whom a call in production needs
}

// restricted is the specification of a workload as manifests may have it.
const restricted = `{"replicas": 0, "selector": {"matchLabels": {"app": "applied"}}, "template": {"metadata": {"labels": {"app": "applied"}}, "spec": {
	"securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
	"containers": [{"name": "app", "image": "` + cluster.Testbox + `", "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}}}`

// TestEveryTool runs each tool of the chart once where policy allows it, once
// where policy denies it, and once where people have to approve it: with the
// rights, network policies and admission policies that are installed.
func TestEveryTool(t *testing.T) {
	workload := `"manifest": {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "applied"}, "spec": ` + restricted + `}`
	all := map[string]toolTest{
		"k8s_get_deployment":     {allowed: `"name": "tool"`},
		"k8s_list_pods":          {allowed: `"selector": "app=tool"`},
		"k8s_pod_logs":           {allowed: `"name": "POD"`},
		"k8s_scale_deployment":   {`"name": "tool", "replicas": 2`, `"name": "tool", "replicas": 2`, []string{"bob"}},
		"k8s_restart_deployment": {`"name": "tool"`, `"name": "tool"`, []string{"bob"}},
		"k8s_apply_manifest":     {workload, workload, []string{"bob"}},
		"k8s_delete_pod":         {`"name": "POD"`, `"name": "POD"`, []string{"bob", "carol"}},
	}
	catalogue, err := tools.Load(tools.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range catalogue.For("kube").Tools() {
		if _, ok := all[tool.Name]; !ok {
			t.Errorf("%s is not tried", tool.Name)
		}
	}
	for _, namespace := range []string{"staging", "production"} {
		target(t, namespace, "tool")
	}
	t.Cleanup(func() {
		for _, namespace := range []string{"staging", "production"} {
			if err := shared.Kube.AppsV1().Deployments(namespace).Delete(context.Background(), "applied", metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
		}
	})
	names := []string{ // a pod is deleted when the others have looked at it
		"k8s_get_deployment", "k8s_list_pods", "k8s_pod_logs", "k8s_scale_deployment", "k8s_restart_deployment", "k8s_apply_manifest", "k8s_delete_pod",
	}
	agent := agentClient(t, "deploy-bot")
	for _, name := range names {
		tt := all[name]
		t.Run(name, func(t *testing.T) {
			call, err := submit(t, agent, name, `{"namespace": "staging", %s}`, named(t, "staging", tt.allowed))
			if err != nil || ended(t, agent, call.ID).State != sallyport.StateSucceeded {
				t.Fatalf("allowed: %+v (%+v), %v", call, call.Error, err)
			}
			nothingLeft(t, call.ID)
			_, err = submit(t, agent, name, `{"namespace": "kube-system", %s}`, strings.ReplaceAll(tt.allowed, "POD", "pod"))
			refused(t, err, http.StatusForbidden, "")
			if tt.asked != "" {
				approved(t, agent, name, tt)
			}
		})
	}
}

// approved has people approve a call in production, and waits for its end.
func approved(t *testing.T, agent *client.Client, name string, tt toolTest) {
	t.Helper()
	call, err := submit(t, agent, name, `{"namespace": "production", %s}`, named(t, "production", tt.asked))
	if err != nil || call.State != sallyport.StateAwaitingApproval {
		t.Fatalf("it does not wait for people: %+v (%+v), %v", call, call.Error, err)
	}
	for _, person := range tt.approvers {
		approve(t, call, person)
	}
	if end := ended(t, agent, call.ID); end.State != sallyport.StateSucceeded {
		t.Fatalf("approved: it ended %s (%+v)", end.State, end.Error)
	}
	nothingLeft(t, call.ID)
}

// named puts the name of a pod into arguments, one that stays.
func named(t *testing.T, namespace, arguments string) string {
	t.Helper()
	if !strings.Contains(arguments, "POD") {
		return arguments
	}
	pod := ""
	eventually(t, "a pod that runs", func(ctx context.Context) bool {
		pods, err := shared.Kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=tool"})
		if err != nil {
			return false
		}
		for _, p := range pods.Items {
			if p.DeletionTimestamp != nil || p.Status.Phase != corev1.PodRunning {
				return false // a restart is under way
			}
			pod = p.Name
		}
		return pod != ""
	})
	return strings.ReplaceAll(arguments, "POD", pod)
}
