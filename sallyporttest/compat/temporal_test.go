package compat

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	adapter "github.com/sallyport/sallyport/adapters/temporal"
	"github.com/sallyport/sallyport/worker"
	"github.com/sallyport/sallyport/workflows/wire"
)

// registry notes what a worker registers.
type registry struct{ lines []string }

func (r *registry) RegisterWorkflowWithOptions(w any, o workflow.RegisterOptions) {
	r.lines = append(r.lines, "workflow "+o.Name+signature(w))
}

func (r *registry) RegisterActivityWithOptions(a any, o activity.RegisterOptions) {
	r.lines = append(r.lines, "activity "+o.Name+signature(a))
}

// TestTemporal pins names and types that histories and the Temporal server hold.
func TestTemporal(t *testing.T) {
	var r registry
	worker.Register(&r, &activities.Activities{})
	slices.Sort(r.lines)
	lines := append(r.lines,
		"workflow type "+wire.ToolCallName,
		"workflow id "+wire.WorkflowID("<call id>"),
		"task queue "+wire.TaskQueue,
		"signal "+wire.ApproveSignal+signature(func(sallyport.BallotPaper) {}),
		"update "+wire.VoteUpdate+signature(func(string) activities.Counted { return activities.Counted{} }),
		"details of a failure"+signature(func(sallyport.Error) {}),
	)
	for name, kind := range wire.SearchAttributes() {
		lines = append(lines, fmt.Sprintf("search attribute %s %s", name, kind))
	}
	slices.Sort(lines)
	pinned{
		"temporal.golden", "Names in Temporal with the arguments and results that histories hold (members as in documents_json.golden)",
		"workflows that run can't go on, and votes and failures in their histories can't be read",
	}.hold(t, lines)
}

// TestFailure pins how an error travels through Temporal: as a failure whose
// type is the error's kind, and whose detail is the error.
func TestFailure(t *testing.T) {
	const stored = `{"kind":"denied","code":"other_call","message":"no","fields":[{"pointer":"/a","detail":"d"}],"reasons":[{"code":"c","message":"m"}],"call_id":"id","retry_after":5}`
	var e sallyport.Error
	if err := json.Unmarshal([]byte(stored), &e); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(e)
	if err != nil || string(again) != stored {
		t.Errorf("the detail of a failure is read and written as\n%s, not as\n%s (%v)", again, stored, err)
	}
	cause := activities.Cause(temporal.NewApplicationError("no", "denied", e))
	if cause.Code != "other_call" {
		t.Errorf("a failure in a history is read as %+v", cause)
	}
}

// signature lists what a function takes and returns, contexts and errors aside.
func signature(f any) string {
	t := reflect.TypeOf(f)
	var in, out []string
	for p := range t.Ins() {
		in = append(in, members(p))
	}
	for r := range t.Outs() {
		out = append(out, members(r))
	}
	drop := func(s string) bool { return s == "interface" }
	return fmt.Sprintf("(%s) → (%s)", strings.Join(slices.DeleteFunc(in, drop), ", "), strings.Join(slices.DeleteFunc(out, drop), ", "))
}

// members is a type's kind, and the JSON tags of a struct's fields in order.
func members(t reflect.Type) string {
	if t.Kind() != reflect.Struct {
		return t.Kind().String()
	}
	var tags []string
	for f := range t.Fields() {
		if tag := f.Tag.Get("json"); tag != "-" {
			tags = append(tags, strings.ReplaceAll(tag, ",", " "))
		}
	}
	return "{" + strings.Join(tags, "; ") + "}"
}

// TestPayload decrypts a payload that an earlier version encrypted.
func TestPayload(t *testing.T) {
	codec, err := adapter.NewCodec(adapter.Key{ID: "2", Secret: []byte(strings.Repeat("n", 32))}, adapter.Key{ID: "1", Secret: []byte(strings.Repeat("k", 32))})
	if err != nil {
		t.Fatal(err)
	}
	want := &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`"header.payload.signature"`)}
	line := fixture(t, "payload.txt", func() []string {
		earlier, err := adapter.NewCodec(adapter.Key{ID: "1", Secret: []byte(strings.Repeat("k", 32))})
		if err != nil {
			t.Fatal(err)
		}
		encrypted, err := earlier.Encode([]*commonpb.Payload{want})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := proto.Marshal(encrypted[0])
		if err != nil {
			t.Fatal(err)
		}
		return []string{"# A payload of a history, encrypted with the key 1, as protobuf in base64. Do not rewrite it: histories hold such payloads.", base64.StdEncoding.EncodeToString(raw)}
	})[0]
	raw, err := base64.StdEncoding.DecodeString(line)
	if err != nil {
		t.Fatal(err)
	}
	var stored commonpb.Payload
	if err := proto.Unmarshal(raw, &stored); err != nil {
		t.Fatal(err)
	}
	got, err := codec.Decode([]*commonpb.Payload{&stored})
	if err != nil || !proto.Equal(got[0], want) {
		t.Errorf("a payload of an earlier version decrypts to %v, %v: running workflows can't go on", got, err)
	}
}
