package wire

import (
	"errors"
	"fmt"

	"github.com/sallyport/sallyport/strict"
)

// responseLimits bound the structure of a response. Its caller bounds the size.
var responseLimits = strict.Limits{Depth: 64, Tokens: 1 << 18} //nolint:gochecknoglobals // a constant in all but form

// Read parses an executor's response to a request in a mode. The bytes are
// untrusted: an error says why they are not a valid response.
func Read(output []byte, mode Mode) (Response, error) {
	canonical, err := strict.JSON(output, responseLimits)
	if err != nil {
		return Response{}, fmt.Errorf("the tool's response is not JSON: %w", err)
	}
	var r Response
	if err := strict.Decode(canonical, &r); err != nil {
		return Response{}, fmt.Errorf("the tool's response is malformed: %w", err)
	}
	return r, r.check(mode)
}

func (r Response) check(mode Mode) error {
	set := 0
	for _, present := range []bool{r.Error != nil, r.Plan != nil, len(r.Result) > 0} {
		if present {
			set++
		}
	}
	switch {
	case set != 1:
		return fmt.Errorf("the tool's response has %d of error, plan and result; want exactly one", set)
	case r.Patch != nil && (mode != ModeRun || r.Error != nil):
		return errors.New("the tool's response has a patch without a result")
	case r.Error != nil && r.Error.Code == "":
		return errors.New("the tool's response has an error without a code")
	case r.Error != nil:
		return nil
	case (r.Plan != nil) != (mode == ModePlan):
		return fmt.Errorf("the tool's response does not fit the mode %s", mode)
	default:
		return nil
	}
}
