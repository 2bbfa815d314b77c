//go:build !race

package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

const (
	pollEvery  = 25 * time.Millisecond
	startLimit = time.Minute // for everything; it takes seconds
)

// poll tries until it works or the time is over.
func poll(ctx context.Context, try func(context.Context) error) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// awaitReady returns once the namespace is served, its search attributes can
// be queried, and the history service answers for a workflow.
func awaitReady(ctx context.Context, options client.Options, o Options) error {
	c, err := client.NewLazyClient(options)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	defer c.Close()
	service := c.WorkflowService()
	return poll(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := service.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: o.Namespace}); err != nil {
			return err
		}
		if _, err := service.CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: o.Namespace, Query: everyAttribute(o)}); err != nil {
			return err
		}
		_, err := service.DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
			Namespace: o.Namespace,
			Execution: &commonpb.WorkflowExecution{WorkflowId: "no-such-workflow"},
		})
		if _, missing := errors.AsType[*serviceerror.NotFound](err); missing {
			return nil
		}
		return err
	})
}

// everyAttribute is a query that names all search attributes, and so fails
// while one of them is unknown.
func everyAttribute(o Options) string {
	var terms []string
	for _, name := range slices.Sorted(maps.Keys(o.SearchAttributes)) {
		terms = append(terms, "`"+name+"` IS NOT NULL")
	}
	return strings.Join(terms, " AND ")
}
