package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/api/wire"
)

// The methods and notifications that mcp answers. Nothing else of the protocol
// is served: no prompts, resources, completions, subscriptions or log levels.
const (
	methodListTools = "tools/list"
	methodCallTool  = "tools/call"

	notifications = "notifications/"
)

// operation is what one message does, and what it draws from the agent's shares:
// the same as its counterpart of the REST API.
type operation struct {
	lane   lane
	cost   int
	frozen bool // whether a frozen agent may use it
	handle mcp.MethodHandler
}

// operation is the message's operation. next is the SDK's own handler.
func (d *door) operation(method string, params mcp.Params, next mcp.MethodHandler) (operation, bool) {
	switch {
	case method == methodListTools:
		return operation{toRead, costList, false, d.listMCPTools}, true
	case method == methodCallTool:
		call, ok := params.(*mcp.CallToolParamsRaw)
		if !ok {
			return operation{}, false
		}
		own, ok := d.ownTools()[call.Name]
		if !ok {
			return operation{toCall, costOne, true, d.byTool(call.Name, d.callTool, next)}, true
		}
		return operation{own.lane, own.cost, own.frozen, d.byTool(call.Name, d.callOwn(own), next)}, true
	case strings.HasPrefix(method, notifications):
		return operation{toRead, costNone, true, next}, true
	case method == "initialize", method == "ping", method == "server/discover":
		return operation{toRead, costOne, true, next}, true
	default:
		return operation{}, false
	}
}

// byTool handles a tool's call as a tool that the SDK knows, which completes the
// result as the message's revision has it.
func (d *door) byTool(name string, handle mcp.ToolHandler, next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		d.sdk.AddTool(&mcp.Tool{Name: name, InputSchema: json.RawMessage(`{"type":"object"}`)}, func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			result, err := handle(ctx, req)
			if err != nil {
				return d.refuseCall(err)
			}
			return result, nil
		})
		return next(ctx, method, req)
	}
}

// receiving handles one message within the agent's share.
func (d *door) receiving(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (result mcp.Result, err error) {
		op, ok := d.operation(method, req.GetParams(), next)
		if !ok {
			return nil, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "the gateway does not serve the method " + sallyport.Visible(method)}
		}
		defer func() {
			if r := recover(); r != nil { // it is the SDK's goroutine, where a panic would end the server
				err = d.panicked(d.c, r)
			}
			if err != nil {
				result, err = nil, d.refuse(err)
			}
		}()
		mine, err := d.share(op)
		if err == nil {
			defer mine.end()
			exchangeOf(d.c).turn = mine
			return op.handle(ctx, method, req)
		}
		if call, ok := req.GetParams().(*mcp.CallToolParamsRaw); ok { // for the model to read
			return d.byTool(call.Name, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return nil, err }, next)(ctx, method, req)
		}
		return nil, err
	}
}

// share takes a turn in the share that an operation draws from.
func (d *door) share(op operation) (*turn, error) {
	if op.cost != costNone {
		d.drew.Store(true)
	}
	ctx := d.c.Request().Context()
	mine, err := d.limiter.take(ctx, identityKey(d.who), op.lane, op.cost)
	if err != nil {
		return nil, err
	}
	if err := d.thawed(ctx, op.frozen, d.who); err != nil {
		mine.end()
		return nil, err
	}
	return mine, nil
}

// refuse is the error of a message that failed.
func (d *door) refuse(err error) error {
	if own, ok := errors.AsType[*jsonrpc.Error](err); ok {
		return own
	}
	d.logFault(d.c, err)
	return rpcError(problemOf(err))
}

// refuseCall is what a tool's call that failed comes to. A model reads the results
// of tools, and clients keep errors of the protocol to themselves: therefore it is
// a result, unless the client or the name of the tool is at fault.
func (d *door) refuseCall(err error) (*mcp.CallToolResult, error) {
	p := problemOf(err)
	if p.Code == sallyport.CodeUnknownTool || p.Code == sallyport.CodeBadRequest {
		return nil, d.refuse(err)
	}
	d.logFault(d.c, err)
	return noteResult(callNote{
		ID: p.CallID, Error: failureOf(p), RetryAfter: seconds(p.retryAfter),
	}), nil
}

// failureOf is a problem as a call shows why it has no result.
func failureOf(p *problem) *wire.Failure {
	return &wire.Failure{Code: p.Code, Message: p.Detail, Errors: p.Errors, Reasons: p.Reasons}
}

// rpcError is a problem as JSON-RPC has it. The problem is its data.
func rpcError(p *problem) *jsonrpc.Error {
	e := &jsonrpc.Error{Code: codeRefused, Message: p.Detail}
	switch {
	case p.Code == sallyport.CodeUnknownTool || p.Status == http.StatusBadRequest:
		e.Code = jsonrpc.CodeInvalidParams
	case p.Status == http.StatusInternalServerError:
		e.Code = jsonrpc.CodeInternalError
	}
	e.Data, _ = json.Marshal(p.Problem) // texts and numbers: it never fails
	return e
}

// codeRefused is the JSON-RPC code of refusals that have none of their own. Its
// data says why.
const codeRefused = -32000
