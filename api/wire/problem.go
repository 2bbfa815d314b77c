package wire

import (
	"fmt"
	"strings"

	"github.com/sallyport/sallyport"
)

// Problem is an error as the API shows it (RFC 9457).
type Problem struct {
	Type    string             `json:"type"`
	Title   string             `json:"title"`
	Status  int                `json:"status"`
	Code    string             `json:"code"`
	Detail  string             `json:"detail"`
	Errors  []sallyport.Field  `json:"errors,omitempty"`
	Reasons []sallyport.Reason `json:"reasons,omitempty"`
	Hint    string             `json:"hint,omitempty"` // what the agent could do instead
	CallID  string             `json:"call_id,omitempty"`
}

// Error is the text for a person.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Detail)
	if p.Detail == "" {
		b.WriteString(p.Title)
	}
	for _, f := range p.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", f.Pointer, f.Detail)
	}
	for _, r := range p.Reasons {
		if r.Message != p.Detail {
			fmt.Fprintf(&b, "\n  %s: %s", r.Code, r.Message)
		}
	}
	if p.Hint != "" {
		fmt.Fprintf(&b, "\n  hint: %s", p.Hint)
	}
	return sallyport.Visible(b.String())
}
