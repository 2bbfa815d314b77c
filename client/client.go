// Package client speaks the gateway's REST API.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/api/wire"
	"github.com/sallyport/sallyport/strict"
)

// Client sends requests as one identity. Safe for concurrent use.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// requestTimeout is longer than the gateway's longest wait.
const requestTimeout = 90 * time.Second

// maxResponse bounds what the client reads of a response, in bytes.
const maxResponse = 8 << 20

// New makes a client of the gateway at base, such as http://127.0.0.1:8080,
// that sends a bearer token. plainHTTP are hosts to which it sends one without
// TLS, beside loopback addresses.
func New(base, token string, plainHTTP ...string) (*Client, error) {
	u, err := parse(base)
	if err == nil && token != "" {
		err = maySend(u, plainHTTP)
	}
	if err != nil {
		return nil, err
	}
	return &Client{strings.TrimSuffix(base, "/"), token, &http.Client{Timeout: requestTimeout, CheckRedirect: noRedirect}}, nil
}

func parse(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("the gateway's address %q must be a URL such as http://127.0.0.1:8080", base)
	}
	return u, nil
}

// noRedirect keeps a token from going where a response says.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// MaySend refuses to send a token to a URL without TLS, unless its host is a
// loopback address or one of plainHTTP.
func MaySend(to string, plainHTTP ...string) error {
	u, err := parse(to)
	if err != nil {
		return err
	}
	return maySend(u, plainHTTP)
}

func maySend(u *url.URL, plainHTTP []string) error {
	if strict.SecureURL(u) || u.Scheme == "http" && slices.Contains(plainHTTP, u.Hostname()) {
		return nil
	}
	return fmt.Errorf("a token would go to %s in plain text: use https (plain http is only for the %s, or for a host that --plain-http names)", u.Host, strict.LoopbackRule)
}

// Submission is a call to be made.
type Submission struct {
	Tool      string          `json:"tool"`
	Arguments json.RawMessage `json:"arguments"`
	Reason    string          `json:"reason,omitempty"`
	Session   string          `json:"session,omitempty"`
	Task      string          `json:"task,omitempty"`

	Key  string        `json:"-"` // Idempotency-Key; empty sends none
	Wait time.Duration `json:"-"` // how long the response may take, in whole seconds
}

// Call is a call as the gateway shows it.
type Call = wire.Call

// Vote is a vote that counted.
type Vote = wire.Vote

// Ballot is what people vote on, as the gateway shows it.
type Ballot = wire.Ballot

// CoveredTexts are the bytes that a call's digests are over, unchecked: see [Cover].
type CoveredTexts = wire.Covered

// Proof is the ledger's proof of a call, for `sallyport verify`: with the
// call's contents for an auditor, without them for its agent.
func (c *Client) Proof(ctx context.Context, id string) (json.RawMessage, error) {
	var proof json.RawMessage
	return proof, c.do(ctx, http.MethodGet, "/v1/calls/"+url.PathEscape(id)+"/proof", nil, nil, &proof)
}

// Problem is an error of the gateway (RFC 9457).
type Problem = wire.Problem

// Submit makes a call. The call may not have ended yet: see its state.
func (c *Client) Submit(ctx context.Context, s Submission) (Call, error) {
	h := http.Header{"Prefer": {wait(s.Wait)}}
	if s.Key != "" {
		h.Set("Idempotency-Key", s.Key)
	}
	var call Call
	return call, c.do(ctx, http.MethodPost, "/v1/calls", h, s, &call)
}

// Get reads a call, after it has ended or after the given time.
func (c *Client) Get(ctx context.Context, id string, patience time.Duration) (Call, error) {
	var call Call
	return call, c.do(ctx, http.MethodGet, "/v1/calls/"+url.PathEscape(id), http.Header{"Prefer": {wait(patience)}}, nil, &call)
}

// Vote votes on the open ballot of a call, with the API's attestation as evidence.
func (c *Client) Vote(ctx context.Context, id string, paper sallyport.BallotPaper) (Call, error) {
	return c.VoteSigned(ctx, id, paper, "")
}

// VoteSigned hands in a vote that the identity provider signed: the ID token
// of [Login.SignVote].
func (c *Client) VoteSigned(ctx context.Context, id string, paper sallyport.BallotPaper, idToken string) (Call, error) {
	body := struct {
		sallyport.BallotPaper

		IDToken string `json:"id_token,omitempty"`
	}{paper, idToken}
	var call Call
	return call, c.do(ctx, http.MethodPost, "/v1/calls/"+url.PathEscape(id)+"/votes", nil, body, &call)
}

// Cancel asks a call to stop wherever it is, and returns it as it stands then.
func (c *Client) Cancel(ctx context.Context, id string) (call Call, err error) {
	err = c.do(ctx, http.MethodPost, "/v1/calls/"+url.PathEscape(id)+"/cancel", nil, nil, &call)
	return call, err
}

// Freeze is a kill switch that an operator sets or has set.
type Freeze struct {
	ID         string    `json:"id,omitempty"`
	Agent      string    `json:"agent,omitempty"`
	Tool       string    `json:"tool,omitempty"`
	Namespace  string    `json:"namespace,omitempty"`
	Everything bool      `json:"everything,omitempty"`
	Reason     string    `json:"reason"`
	By         string    `json:"by,omitempty"`
	At         time.Time `json:"at,omitzero"`
	Open       int       `json:"open,omitempty"` // calls that it has yet to stop

	Force    bool     `json:"force,omitempty"`    // sent: freeze names that the gateway does not know
	Matches  []string `json:"matches,omitempty"`  // received: of what it names, what there is
	Warnings []string `json:"warnings,omitempty"` // received: why it may hold less than it seems to
}

// Freeze stops calls until the freeze is lifted.
func (c *Client) Freeze(ctx context.Context, f Freeze) (Freeze, error) {
	var made Freeze
	return made, c.do(ctx, http.MethodPost, "/v1/freezes", nil, f, &made)
}

// Freezes lists the freezes that hold.
func (c *Client) Freezes(ctx context.Context) ([]Freeze, error) {
	var list struct {
		Freezes []Freeze `json:"freezes"`
	}
	return list.Freezes, c.do(ctx, http.MethodGet, "/v1/freezes", nil, nil, &list)
}

// Lift ends a freeze.
func (c *Client) Lift(ctx context.Context, id string) (Freeze, error) {
	var f Freeze
	return f, c.do(ctx, http.MethodDelete, "/v1/freezes/"+url.PathEscape(id), nil, nil, &f)
}

// Ready reports whether the gateway can take calls.
func (c *Client) Ready(ctx context.Context) error {
	return c.do(ctx, http.MethodGet, "/readyz", nil, nil, nil)
}

func wait(d time.Duration) string { return "wait=" + strconv.Itoa(int(d.Seconds())) }

func (c *Client) do(ctx context.Context, method, path string, h http.Header, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("the request can't be written as JSON: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	maps.Copy(req.Header, h)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("the gateway at %s does not respond: %w", c.base, err)
	}
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("the gateway's response broke off: %w", err)
	}
	return decode(resp, content, out)
}

func decode(resp *http.Response, body []byte, out any) error {
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") {
		p := &Problem{Status: resp.StatusCode}
		if err := json.Unmarshal(body, p); err != nil {
			return fmt.Errorf("the gateway responded with %s and a problem that can't be read", resp.Status)
		}
		return p
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the gateway responded with %s", resp.Status)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("the gateway's response can't be read: %w", err)
	}
	return nil
}
