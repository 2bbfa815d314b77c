package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/api/wire"
)

// Calls is a page of calls, without their diffs and results.
type Calls struct {
	Calls  []Call  `json:"calls"`
	Cursor *string `json:"cursor"` // asks for the next page; nil on the last
}

// Ballots is a page of the calls that wait for a person's vote.
type Ballots struct {
	Ballots []Call  `json:"ballots"`
	Cursor  *string `json:"cursor"` // asks for the next page; nil on the last
}

// Tool is a tool that an agent may see.
type Tool = wire.Tool

// Preview is what policy would decide on a call.
type Preview = wire.Preview

// Version is what a program was built from.
type Version = wire.Version

// BuiltFrom is the version of the running program.
func BuiltFrom() Version { return wire.BuiltFrom() }

// Calls lists calls, newest first: all for operators and auditors, its own for an
// agent. It filters by states, agent, tool and since.
func (c *Client) Calls(ctx context.Context, q sallyport.Query) (page Calls, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/calls"+parameters(q), nil, nil, &page)
	return page, err
}

// Search finds calls by their search terms, newest first, for operators and
// auditors.
func (c *Client) Search(ctx context.Context, q sallyport.Query) (page Calls, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/ledger"+parameters(q), nil, nil, &page)
	return page, err
}

// Ballots lists the calls that wait for the person's vote, the oldest first. A page
// may be empty where there are more.
func (c *Client) Ballots(ctx context.Context, limit int, cursor string) (page Ballots, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/ballots"+parameters(sallyport.Query{Limit: limit, Cursor: cursor}), nil, nil, &page)
	return page, err
}

// Tools lists the tools that the agent may see.
func (c *Client) Tools(ctx context.Context) ([]Tool, error) {
	var list struct {
		Tools []Tool `json:"tools"`
	}
	err := c.do(ctx, http.MethodGet, "/v1/tools", nil, nil, &list)
	return list.Tools, err
}

// Preview asks what policy would decide on a call. The gateway plans, runs and
// records nothing, and the decision is no promise.
func (c *Client) Preview(ctx context.Context, s Submission) (p Preview, err error) {
	err = c.do(ctx, http.MethodPost, "/v1/decisions", nil, s, &p)
	return p, err
}

// Version is what the gateway was built from. It takes no token.
func (c *Client) Version(ctx context.Context) (v Version, err error) {
	err = c.do(ctx, http.MethodGet, "/version", nil, nil, &v)
	return v, err
}

// parameters writes a query as the API reads it, with the mark before it.
func parameters(q sallyport.Query) string {
	values := url.Values{}
	states := make([]string, 0, len(q.States))
	for _, s := range q.States {
		states = append(states, string(s))
	}
	for name, value := range map[string]string{
		"state": strings.Join(states, ","), "agent": q.Agent, "tool": q.Tool, "namespace": q.Namespace, "name": q.Name,
		"person": q.Person, "digest": string(q.Digest), "trace_id": q.TraceID, "cursor": q.Cursor,
		"since": instant(q.Since), "before": instant(q.Before), "limit": number(q.Limit),
	} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
