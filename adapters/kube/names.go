package kube

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

// What the objects of a call are called, and by what they are found.
const (
	runPrefix  = "agent-tool-call-" // and the call's id
	planPrefix = "agent-tool-plan-" // and the call's id and what tells plans apart

	labelManagedBy = "app.kubernetes.io/managed-by"
	labelCall      = "sallyport.dev/call"
	labelMode      = "sallyport.dev/mode"
	managedBy      = "sallyport"

	annotationIntent  = wire.AnnotationIntent
	annotationExpires = "sallyport.dev/expires" // from then on nobody can be at work on it
	annotationTool    = "sallyport.dev/tool"

	finalizer = "sallyport.dev/outcome" // until the outcome is recorded

	container   = "tool"
	worker      = "sallyport-worker" // holds the Lease of what is never to begin
	serviceRole = "Role"
)

// selector selects all that is ours.
const selector = labelManagedBy + "=" + managedBy

// Words for labels: modes as people know them.
const (
	modeRun  = "run"
	modePlan = "plan"
)

func runName(callID string) string { return runPrefix + callID }

// planName is never used again: a plan is made anew whenever one is needed.
func planName(callID string) string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // it never fails
	return planPrefix + callID + "-" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))[:5]
}

// meta is what all objects of one call's run or plan have in common.
func (t task) meta(namespace string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: t.name, Namespace: namespace, Labels: t.labels(),
		Annotations: map[string]string{
			annotationIntent:  string(t.intent.Digest()),
			annotationExpires: t.expires.UTC().Format(time.RFC3339),
			annotationTool:    t.intent.Tool.Name,
		},
	}
}

func (t task) labels() map[string]string {
	mode := modeRun
	if t.mode != wire.ModeRun {
		mode = modePlan
	}
	return map[string]string{labelManagedBy: managedBy, labelCall: t.intent.CallID, labelMode: mode}
}

// isOf reports whether an object was made for this intent.
func isOf(o metav1.Object, i sallyport.Intent) bool {
	return o.GetLabels()[labelManagedBy] == managedBy && o.GetAnnotations()[annotationIntent] == string(i.Digest())
}

// expired reports whether nobody can be at work on what an object is for.
func expired(o metav1.Object, now time.Time) bool {
	at, err := time.Parse(time.RFC3339, o.GetAnnotations()[annotationExpires])
	return err != nil || now.After(at)
}
