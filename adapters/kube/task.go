package kube

import (
	"bytes"
	"encoding/json"
	"path"
	"strings"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/wire"
)

// task is one Job to be: a run, a plan, or a look at what became of a run.
type task struct {
	name     string
	mode     wire.Mode
	intent   sallyport.Intent
	manifest tools.Manifest
	plan     *sallyport.Plan // what was approved
	trace    string
	limit    time.Duration // of the process
	expires  time.Time     // from then on nobody can be at work on it
	begin    time.Time     // until then a write may begin
}

// beginTime and a Job's time to live are how long after the permit a write may
// begin. Together they are less than the time after which another worker's Job
// of the same name can have come and gone: that one is not made before this
// worker missed its heartbeats for 20 seconds, and stays for its time to live.
// The difference is for clocks that disagree. The permit's time counts, and not
// the Job's: a worker that slept in between would have its Job begin at any time.
const beginTime = 15 * time.Second

// slack is what may lie between the end of a run's time and the end of the
// worker's work on it.
const slack = 2 * time.Minute

// builtin reports whether the executor runs it, and not an image of its own.
func (t task) builtin() bool { return t.manifest.Container == nil }

// claims reports whether the executor takes a Lease before it acts.
func (t task) claims() bool {
	return t.builtin() && t.mode == wire.ModeRun && !t.intent.Tool.ReadOnly
}

// rules are what the manifest lends a call like this one.
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

// request is what the executor is to do.
func (t task) request() (string, error) {
	r := wire.Request{Mode: t.mode, Intent: t.intent, Plan: t.plan, TraceParent: t.trace}
	if t.claims() {
		r.Expires = t.begin
	}
	b, err := json.Marshal(r)
	if err != nil {
		return "", sallyport.Errorf(sallyport.Internal, sallyport.CodeBadRequest, "the request to the executor can't be written: %w", err)
	}
	if len(b) > maxRequest {
		return "", sallyport.Errorf(sallyport.Invalid, sallyport.CodeTooLarge, "the call and its plan are %d bytes, and the executor takes %d", len(b), maxRequest)
	}
	return string(b), nil
}

// maxRequest is what one variable of an environment holds: MAX_ARG_STRLEN of
// Linux, less the variable's name.
const maxRequest = 128<<10 - 64

// command fills the words of an image's command with the call's arguments.
func (t task) command() (command, args []string, err error) {
	d := json.NewDecoder(bytes.NewReader(t.intent.Arguments))
	d.UseNumber()
	var arguments map[string]any
	if err := d.Decode(&arguments); err != nil {
		return nil, nil, sallyport.Errorf(sallyport.Invalid, sallyport.CodeInvalidArguments, "the arguments can't be read: %w", err)
	}
	for _, part := range []struct {
		words []string
		to    *[]string
	}{{t.manifest.Container.Command, &command}, {t.manifest.Container.Args, &args}} {
		filled, ok := tools.Fill(part.words, arguments)
		if !ok {
			return nil, nil, sallyport.Errorf(sallyport.Invalid, sallyport.CodeInvalidArguments,
				"an argument begins with a dash, and the tool would take it for an option")
		}
		for _, word := range filled {
			*part.to = append(*part.to, literally(word))
		}
	}
	return command, args, nil
}

// literally keeps the kubelet from replacing $(NAME) in a word by what the
// environment holds: to it, $$ is one $ and nothing else.
func literally(word string) string { return strings.ReplaceAll(word, "$", "$$") }

// place is where a run is, for the ledger and for heartbeats.
func (r *Runner) place(name, uid string) string {
	return path.Join("kube", r.o.Namespace, name, uid)
}
