package wire

import (
	"encoding/json"
	"fmt"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// Result makes the response to a run.
func Result(v any) (Response, error) {
	b, err := strict.Canonical(v)
	if err != nil {
		return Response{}, fmt.Errorf("cannot write the result as JSON: %w", err)
	}
	return Response{Result: b}, nil
}

// PlanNothing makes the plan of a tool that only reads.
func PlanNothing(format string, args ...any) (Response, error) {
	return Response{Plan: &sallyport.Plan{
		Summary:       fmt.Sprintf(format, args...),
		Changes:       []sallyport.Change{},
		Preconditions: json.RawMessage("{}"),
	}}, nil
}
