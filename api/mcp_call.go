package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// metaPrefix begins the names of what a client, not its model, says of a call in
// _meta.
const metaPrefix = "dev.sallyport/"

// callMeta is what a client says of a call in _meta.
type callMeta struct {
	Session string `json:"session"`
	Task    string `json:"task"`
	Key     string `json:"idempotency-key"`
	Wait    *int   `json:"wait-seconds"` // how long an answer may take
	New     bool   `json:"new-call"`     // though it may repeat another
}

// The wait for a call of a client that states none: shorter than the 30 s to 60 s
// after which clients give up. Progress is reported at each step of the call and
// at this interval.
const (
	mcpWait       = 20 * time.Second
	progressEvery = 5 * time.Second
)

// callTool submits a call as POST /v1/calls does, and answers when the call has
// ended or the client has waited long enough. A client that hangs up cancels
// nothing: the call goes on.
func (d *door) callTool(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	params := req.Params
	defer d.traced(params)()
	meta, err := readMeta(params.Meta)
	if err != nil {
		return nil, err
	}
	sub, err := d.submission(params, meta)
	if err != nil {
		return nil, err
	}
	record, repeats, err := d.receive(d.c, sub)
	if err != nil {
		return nil, err
	}
	wait := min(mcpWait, d.opts.MaxWait)
	if meta.Wait != nil {
		wait = d.bounded(*meta.Wait)
	}
	record, err = d.follow(d.c, record, wait, sallyport.State.Final, progress(ctx, req))
	if err != nil {
		d.logLost(d.c, record.Call.ID, err)
	}
	return d.result(record, repeats)
}

// bounded is a wait of so many seconds, or the longest.
func (d *door) bounded(seconds int) time.Duration {
	return time.Duration(min(max(seconds, 0), int(d.opts.MaxWait/time.Second))) * time.Second
}

// readMeta reads what a client says of a call, and rejects what it misspells.
func readMeta(meta mcp.Meta) (callMeta, error) {
	said := map[string]any{}
	for name, value := range meta {
		if name, ours := strings.CutPrefix(name, metaPrefix); ours {
			said[name] = value
		}
	}
	var m callMeta
	data, err := json.Marshal(said)
	if err == nil {
		err = strict.Decode(data, &m)
	}
	if err != nil {
		return m, sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadRequest,
			"_meta: %s takes session, task and idempotency-key as texts, wait-seconds as a whole number and new-call as true or false, and nothing else", metaPrefix)
	}
	var wrong faults
	wrong.atMost(maxStated, "/_meta/"+metaPrefix+"session", m.Session)
	wrong.atMost(maxStated, "/_meta/"+metaPrefix+"task", m.Task)
	wrong.unless(m.Key == "" || printable(m.Key, maxKey), "/_meta/"+metaPrefix+"idempotency-key", "this must be 1 to 255 visible ASCII characters")
	wrong.unless(m.Wait == nil || *m.Wait >= 0, "/_meta/"+metaPrefix+"wait-seconds", "this must not be negative")
	return m, wrong.err()
}

// submission is the call that a client's parameters ask for. Its canonical body is
// that of the same call by REST.
func (d *door) submission(params *mcp.CallToolParamsRaw, meta callMeta) (submission, error) {
	sub := submission{who: d.who, key: meta.Key, joins: true, apart: meta.New, traceParent: traceParent(d.c.Request())}
	sub.Tool, sub.Session, sub.Task = params.Name, meta.Session, meta.Task
	arguments := map[string]json.RawMessage{}
	if len(params.Arguments) > 0 {
		if err := strict.Decode(params.Arguments, &arguments); err != nil || arguments == nil {
			return sub, sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadRequest, "/arguments: this must be an object")
		}
	}
	if reason, ok := arguments[sallyport.ReasonArgument]; ok {
		if err := strict.Decode(reason, &sub.Reason); err != nil {
			return sub, invalidArgument("/"+sallyport.ReasonArgument, "this must be a text")
		}
		delete(arguments, sallyport.ReasonArgument)
	}
	if len([]rune(sub.Reason)) > maxReason {
		return sub, invalidArgument("/"+sallyport.ReasonArgument, fmt.Sprintf("this may have at most %d characters", maxReason))
	}
	var err error
	if sub.Arguments, err = strict.Canonical(arguments); err == nil {
		sub.canonical, err = canonicalBody(sub.callBody)
	}
	if err != nil {
		return sub, err
	}
	return sub, sub.check()
}

// canonicalBody is the body by which REST submits the same call.
func canonicalBody(b callBody) ([]byte, error) {
	body := map[string]any{"tool": b.Tool, "arguments": b.Arguments}
	for name, text := range map[string]string{"reason": b.Reason, "session": b.Session, "task": b.Task} {
		if text != "" {
			body[name] = text
		}
	}
	return strict.Canonical(body)
}

// invalidArgument is the error of an argument, which the model can mend.
func invalidArgument(pointer, detail string) error {
	err := sallyport.Errorf(sallyport.Invalid, sallyport.CodeInvalidArguments, "%s: %s", pointer, detail)
	err.Fields = []sallyport.Field{{Pointer: pointer, Detail: detail}}
	return err
}

// tool finds a tool of the catalogue.
func (s *Server) tool(name string) (sallyport.Tool, bool) {
	if s.opts.Tool == nil {
		return sallyport.Tool{}, false
	}
	return s.opts.Tool(name)
}

// progress reports to the client that asked for it how a call goes on; nil to one
// that did not.
func progress(ctx context.Context, req *mcp.CallToolRequest) func(sallyport.Record) {
	token := req.Params.GetProgressToken()
	if token == nil {
		return nil
	}
	reported := 0.0
	return func(r sallyport.Record) {
		reported++
		// The client may be gone: the answer finds that out too.
		_ = req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: token, Progress: reported, Message: fmt.Sprintf("call %s: %s", r.Call.ID, r.State),
		})
	}
}
