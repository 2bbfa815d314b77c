package temporal

import (
	"context"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	workflowservice "go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/sallyport/sallyport/workflows/wire"
)

// Listed is a workflow as the Temporal server lists it.
type Listed struct {
	ID      string
	Type    string
	Running bool
}

// List visits the workflows of calls that the server knows of, and all that have an
// id as a call's workflow has, whatever their type, in no order. It forgets those that ended longer ago than its namespace's retention.
func List(ctx context.Context, c client.Client, visit func(Listed) error) error {
	var token []byte
	for {
		page, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query:         "WorkflowType = '" + wire.ToolCallName + "' OR WorkflowId STARTS_WITH '" + wire.WorkflowIDPrefix + "'",
			NextPageToken: token,
		})
		if err != nil {
			return fmt.Errorf("the Temporal server does not list its workflows: %w", err)
		}
		for _, e := range page.GetExecutions() {
			w := Listed{
				ID: e.GetExecution().GetWorkflowId(), Type: e.GetType().GetName(), Running: e.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
			}
			if err := visit(w); err != nil {
				return err
			}
		}
		if token = page.GetNextPageToken(); len(token) == 0 {
			return nil
		}
	}
}
