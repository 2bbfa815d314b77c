package api

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/api/wire"
)

// callNote is what an answer by MCP says of its call: beside the tool's result in
// _meta, and in the place of a result where there is none.
type callNote struct {
	ID         string          `json:"id,omitempty"`
	State      sallyport.State `json:"state,omitempty"`
	Repeats    bool            `json:"repeats,omitempty"` // it is an earlier call, which this one would have repeated
	Error      *wire.Failure   `json:"error,omitempty"`
	Hint       string          `json:"hint,omitempty"` // policy's, to the agent
	WaitsFor   *awaited        `json:"waits_for,omitempty"`
	RetryAfter int             `json:"retry_after_seconds,omitempty"`
	Next       string          `json:"next,omitempty"` // what the agent can do now
}

// awaited says which people a call waits for. The link is for them: an agent's
// token does not vote.
type awaited struct {
	Groups    []string  `json:"groups"`
	Quorum    int       `json:"quorum"`
	Votes     int       `json:"votes"`
	ExpiresAt time.Time `json:"expires_at"`
	Approve   string    `json:"approve,omitempty"`
}

// noteMember holds the note in an answer's structured content.
const noteMember = "sallyport_call"

// result is the result of a tool's call as the call stands.
func (d *door) result(r sallyport.Record, repeats bool) (*mcp.CallToolResult, error) {
	note := callNote{ID: r.Call.ID, State: r.State, Repeats: repeats}
	if p := outcomeProblem(r); p != nil {
		if p.Code == sallyport.CodeUnknownTool {
			err := sallyport.Errorf(sallyport.NotFound, p.Code, "%s", p.Detail)
			err.CallID = r.Call.ID
			return nil, err
		}
		note.Error = failureOf(p)
		note.Hint, note.RetryAfter = p.Hint, seconds(p.retryAfter)
		return noteResult(note), nil
	}
	v := d.view(r)
	if note.Error = v.Error; note.Error != nil {
		return noteResult(note), nil
	}
	if repeats {
		note.Next = "this is the answer of an earlier call, which the same call without a key repeats"
	}
	if !r.State.Final() {
		if v.Decision != nil {
			note.Hint = v.Decision.Hint
		}
		note.Next = "the call goes on: call get_call with its id, and do not call the tool again"
		if b := v.Ballot; b != nil && r.State == sallyport.StateAwaitingApproval {
			note.WaitsFor = &awaited{Groups: b.Groups, Quorum: b.Quorum, Votes: len(b.Votes), ExpiresAt: b.ExpiresAt, Approve: v.Links.Approve}
		}
		return noteResult(note), nil
	}
	result := toolResult(note, r.Outcome.Result)
	if t, ok := d.tool(r.Call.Tool); ok && len(t.ResultSchema) > 0 && len(r.Outcome.Result) > 0 {
		result.StructuredContent = r.Outcome.Result
	}
	return result, nil
}

// toolResult is the answer of a call that succeeded: the tool's own words, marked.
func toolResult(note callNote, result json.RawMessage) *mcp.CallToolResult {
	if len(result) == 0 {
		return noteResult(note)
	}
	content := []mcp.Content{&mcp.TextContent{Text: string(result), Meta: mcp.Meta{metaPrefix + "untrusted": true}}}
	if note.Repeats { // the model has to know
		content = append(content, &mcp.TextContent{Text: jsonText(map[string]callNote{noteMember: note})})
	}
	return &mcp.CallToolResult{Meta: mcp.Meta{metaPrefix + "call": note}, Content: content}
}

// noteResult is an answer without a tool's result. It is an error unless the call
// goes on or succeeded.
func noteResult(note callNote) *mcp.CallToolResult {
	content := map[string]callNote{noteMember: note}
	shown := jsonText(content)
	return &mcp.CallToolResult{
		Meta:              mcp.Meta{metaPrefix + "call": note},
		Content:           []mcp.Content{&mcp.TextContent{Text: shown}},
		StructuredContent: content,
		IsError:           note.Error != nil && note.State != sallyport.StateSucceeded, // it has its effect, without a result
	}
}

// jsonText is JSON for a model. What is shown to clients always encodes.
func jsonText(v any) string {
	b, _ := encode(v)
	return strings.TrimSuffix(string(b), "\n")
}

// seconds are whole seconds, rounded up.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
