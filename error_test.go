package sallyport_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
)

func TestErrorKeepsItsCauseInside(t *testing.T) {
	err := sallyport.Errorf(sallyport.Unavailable, "ledger", "the ledger is out of reach: %w", io.ErrUnexpectedEOF)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost to operators")
	}
	err.Err = errors.New("password=hunter2")
	out, marshalErr := json.Marshal(err)
	if marshalErr != nil || strings.Contains(string(out), "hunter2") {
		t.Errorf("what leaves the gateway holds the cause: %s, %v", out, marshalErr)
	}
}

func TestKindOf(t *testing.T) {
	denied := sallyport.Errorf(sallyport.Denied, "own_agent", "no")
	for name, tt := range map[string]struct {
		err  error
		kind sallyport.Kind
		code string
	}{
		"Nil":     {nil, "", ""},
		"Plain":   {denied, sallyport.Denied, "own_agent"},
		"Wrapped": {fmt.Errorf("count: %w", denied), sallyport.Denied, "own_agent"},
		"Joined":  {errors.Join(io.EOF, denied), sallyport.Denied, "own_agent"},
		"Foreign": {io.EOF, sallyport.Internal, "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			if k, c := sallyport.KindOf(tt.err), sallyport.CodeOf(tt.err); k != tt.kind || c != tt.code {
				t.Errorf("kind %q, code %q; want %q, %q", k, c, tt.kind, tt.code)
			}
		})
	}
	if e := sallyport.AsError(errors.New("dial tcp 10.0.0.7:5432: refused")); strings.Contains(e.Message, "10.0.0.7") {
		t.Errorf("an error that isn't ours is shown to the caller: %s", e.Message)
	}
}
