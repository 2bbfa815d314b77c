//go:build !race

package main

import (
	"context"
	"fmt"
	"io"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"
)

// events reads the history of a workflow that has closed.
func (h *harness) events(ctx context.Context, workflowID string) ([]*historypb.HistoryEvent, error) {
	var all []*historypb.HistoryEvent
	i := h.temporal.GetWorkflowHistory(ctx, workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for i.HasNext() {
		e, err := i.Next()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func printHistories(ctx context.Context, out io.Writer, h *harness, all []contender, samples [][]sample) error {
	fmt.Fprintln(out, "What one run leaves in Temporal:")
	for i, c := range all {
		last := samples[i][len(samples[i])-1]
		events, err := h.events(ctx, last.workflowID)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %-18s %2d events, %5d bytes\n", c.name, len(events), proto.Size(&historypb.History{Events: events}))
	}
	fmt.Fprintln(out)
	return nil
}
