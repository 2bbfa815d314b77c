package kube

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"path"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/wire"
)

// task describes one Job: a run, a plan, or the search for a run's effect.
type task struct {
	name     string
	mode     wire.Mode
	intent   sallyport.Intent
	manifest tools.Manifest
	plan     *sallyport.Plan // the approved plan
	trace    string
	limit    time.Duration // of the process
	expires  time.Time     // from then on no worker uses its objects
	begin    time.Time     // a write must begin before
}

// A write must begin within beginTime plus a Job's time to live after the permit.
// This keeps runs at most once: after a worker has missed its heartbeats for 20
// seconds, another worker may create a Job of the same name, and that Job exists
// for its time to live. The 5 seconds in between allow for clocks that disagree.
// The permit's time counts, not the Job's: a worker may be suspended between
// the two.
const beginTime = 15 * time.Second

// slack is how long a worker may take to finish a run whose time is over.
const slack = 2 * time.Minute

// builtin reports whether the executor runs the tool, not an image of its own.
func (t task) builtin() bool { return t.manifest.Container == nil }

// leased reports whether the executor acquires a Lease before it acts.
func (t task) leased() bool {
	return t.builtin() && t.mode == wire.ModeRun && !t.intent.Tool.ReadOnly
}

// rules are the permissions that the manifest grants a call like this one.
func (t task) rules() []tools.KubernetesRule {
	var rules []tools.KubernetesRule
	for _, r := range t.manifest.Permissions.Kubernetes {
		mode := tools.WhenPlan
		if t.mode == wire.ModeRun {
			mode = tools.WhenRun
		}
		if (r.When == tools.WhenBoth || r.When == mode) && (r.For == "" || r.For == t.intent.Resource) {
			rules = append(rules, r)
		}
	}
	return rules
}

// request is the executor's request, as JSON.
func (r *Runner) request(t task) (string, error) {
	q := wire.Request{Mode: t.mode, Intent: t.intent, Plan: t.plan, TraceParent: t.trace, Annotations: r.o.Annotations}
	if t.leased() {
		q.Expires = t.begin
	}
	b, err := json.Marshal(q)
	if err != nil {
		return "", sallyport.Errorf(sallyport.Internal, sallyport.CodeBadRequest, "cannot write the request to the executor as JSON: %w", err)
	}
	if len(b) > maxRequest {
		return "", sallyport.Errorf(sallyport.Invalid, sallyport.CodeTooLarge, "the call and its plan are %d bytes; the executor accepts at most %d", len(b), maxRequest)
	}
	return string(b), nil
}

// maxRequest is the longest value of an environment variable: MAX_ARG_STRLEN of
// Linux, less the variable's name.
const maxRequest = 128<<10 - 64

// command fills the words of an image's command with the call's arguments.
func (t task) command() (command, args []string, err error) {
	d := json.NewDecoder(bytes.NewReader(t.intent.Arguments))
	d.UseNumber()
	var arguments map[string]any
	if err := d.Decode(&arguments); err != nil {
		return nil, nil, sallyport.Errorf(sallyport.Invalid, sallyport.CodeInvalidArguments, "cannot parse the arguments: %w", err)
	}
	for _, part := range []struct {
		words []string
		to    *[]string
	}{{t.manifest.Container.Command, &command}, {t.manifest.Container.Args, &args}} {
		filled, ok := tools.Fill(part.words, arguments)
		if !ok {
			return nil, nil, sallyport.Errorf(sallyport.Invalid, sallyport.CodeInvalidArguments,
				"an argument begins with a dash, which the tool would read as an option")
		}
		for _, word := range filled {
			*part.to = append(*part.to, literally(word))
		}
	}
	return command, args, nil
}

// literally keeps the kubelet from expanding $(NAME) in a word: it turns $$ into
// one $.
func literally(word string) string { return strings.ReplaceAll(word, "$", "$$") }

// place names where a run executes, for the ledger and for heartbeats.
func (r *Runner) place(name, uid string) string {
	return path.Join("kube", r.o.Namespace, name, uid)
}

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
