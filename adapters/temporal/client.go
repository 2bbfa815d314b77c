package temporal

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/workflows/wire"
)

// Client starts and cancels the workflows of calls, and sends votes to them.
type Client struct {
	temporal client.Client
}

// NewClient uses a Temporal client whose data converter is
// [NewDataConverter]'s.
func NewClient(c client.Client) (*Client, error) {
	if c == nil {
		return nil, errors.New("temporal: the Temporal client is missing")
	}
	return &Client{c}, nil
}

// Start starts a call's workflow. It writes no summary and no details for people to
// read: those are the worker's, which verifies the call. One that was started already, even long
// ago, is no error and is not started again.
func (c *Client) Start(ctx context.Context, signed sallyport.SignedCall, call sallyport.Call) error {
	attributes := []temporal.SearchAttributeUpdate{
		temporal.NewSearchAttributeKeyKeyword(wire.StateAttribute).ValueSet(string(sallyport.StatePending)),
		temporal.NewSearchAttributeKeyKeyword(wire.AgentAttribute).ValueSet(call.AgentID),
	}
	if call.Tool != "" {
		attributes = append(attributes, temporal.NewSearchAttributeKeyKeyword(wire.ToolAttribute).ValueSet(call.Tool))
	}
	_, err := c.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                                       wire.WorkflowID(call.ID),
		TaskQueue:                                wire.TaskQueue,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		EnableEagerStart:                         true, // taken up where the worker shares this process
		TypedSearchAttributes:                    temporal.NewSearchAttributes(attributes...),
	}, wire.ToolCallName, signed)
	if _, already := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); already {
		return nil
	}
	return outOfReach(err)
}

// Vote carries an attested vote to the call. It returns an error with the
// code of the refusal where the vote does not count.
//
// Where the ledger has the ballot and the workflow does not remember it yet, as
// after a crash, Vote waits for it until ctx ends, and then returns an error of
// kind Unavailable.
func (c *Client) Vote(ctx context.Context, callID, attestation string) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := c.vote(ctx, callID, attestation)
		app, ok := errors.AsType[*temporal.ApplicationError](err)
		if !ok || app.Type() != sallyport.CodeNotWaiting {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			early := sallyport.Errorf(sallyport.Unavailable, sallyport.CodeUnavailable, "the workflow of call %s does not remember its ballot yet: vote again", callID)
			early.RetryAfter = time.Second
			return early
		}
	}
}

// How long to wait before a vote is sent again.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = time.Second
)

func (c *Client) vote(ctx context.Context, callID, attestation string) error {
	h, err := c.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: wire.WorkflowID(callID), UpdateName: wire.VoteUpdate, Args: []any{attestation},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	var counted activities.Counted
	if err == nil {
		err = h.Get(ctx, &counted)
	}
	if err != nil {
		return voteError(callID, err)
	}
	if len(counted.Refusals) > 0 {
		r := counted.Refusals[0]
		return sallyport.Errorf(sallyport.Denied, r.Code, "%s", r.Message)
	}
	return nil
}

func voteError(callID string, err error) error {
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		if app.Type() == sallyport.CodeNotWaiting {
			return err
		}
		return activities.Cause(err)
	}
	if gone(err) || temporal.IsCanceledError(err) {
		return sallyport.Errorf(sallyport.Conflict, sallyport.CodeNotWaiting, "call %s does not wait for votes", callID)
	}
	return outOfReach(err)
}

// Cancel asks the call's workflow to stop wherever it is. It returns an error
// of kind Conflict where the workflow has ended, and NotFound where there is
// none.
func (c *Client) Cancel(ctx context.Context, callID string, _ sallyport.Identity) error {
	switch d, err := c.temporal.DescribeWorkflowExecution(ctx, wire.WorkflowID(callID), ""); {
	case gone(err):
		return sallyport.Errorf(sallyport.NotFound, sallyport.CodeNoWorkflow, "call %s has no workflow", callID)
	case err != nil:
		return outOfReach(err)
	case closed(d.GetWorkflowExecutionInfo().GetStatus()):
		return sallyport.Errorf(sallyport.Conflict, sallyport.CodeEnded, "call %s has ended", callID)
	}
	err := c.temporal.CancelWorkflow(ctx, wire.WorkflowID(callID), "")
	if gone(err) {
		return sallyport.Errorf(sallyport.Conflict, sallyport.CodeEnded, "call %s has ended", callID)
	}
	return outOfReach(err)
}

// Running reports whether the call's workflow is there and has not closed,
// and otherwise why not, in words.
func (c *Client) Running(ctx context.Context, callID string) (bool, string, error) {
	d, err := c.temporal.DescribeWorkflowExecution(ctx, wire.WorkflowID(callID), "")
	if gone(err) {
		return false, "there is no workflow for this call", nil
	}
	if err != nil {
		return false, "", outOfReach(err)
	}
	status := d.GetWorkflowExecutionInfo().GetStatus()
	if closed(status) {
		return false, "the workflow was closed as " + status.String(), nil
	}
	return true, "", nil
}

func closed(s enumspb.WorkflowExecutionStatus) bool {
	return s != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING && s != enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED
}

// Ping reports whether Temporal answers.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
	return outOfReach(err)
}

func gone(err error) bool {
	_, ok := errors.AsType[*serviceerror.NotFound](err)
	return ok
}

func outOfReach(err error) error {
	if err == nil {
		return nil
	}
	return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeUnavailable, "Temporal does not answer: %w", err)
}
