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

// Names, labels and annotations of the objects of a call.
const (
	runPrefix  = "agent-tool-call-" // followed by the call's id
	planPrefix = "agent-tool-plan-" // followed by the call's id and a random suffix

	labelManagedBy = "app.kubernetes.io/managed-by"
	labelCall      = "sallyport.dev/call"
	labelMode      = "sallyport.dev/mode"
	managedBy      = "sallyport"

	annotationIntent  = wire.AnnotationIntent
	annotationExpires = "sallyport.dev/expires" // from then on no worker uses it
	annotationTool    = "sallyport.dev/tool"

	finalizer = "sallyport.dev/outcome" // until the outcome is recorded

	container   = "tool"
	worker      = "sallyport-worker" // holds the Lease of a run that must never begin
	serviceRole = "Role"
)

// selector selects all objects that the gateway makes.
const selector = labelManagedBy + "=" + managedBy

// Values of labelMode.
const (
	modeRun  = "run"
	modePlan = "plan"
)

func runName(callID string) string { return runPrefix + callID }

// planName is a new name each time: a plan's Job is never adopted.
func planName(callID string) string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // it never fails
	return planPrefix + callID + "-" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))[:5]
}

// meta is the metadata of all objects of one call's run or plan.
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

// expired reports whether an object's time is over: no worker uses it any more.
func expired(o metav1.Object, now time.Time) bool {
	at, err := time.Parse(time.RFC3339, o.GetAnnotations()[annotationExpires])
	return err != nil || now.After(at)
}
