package proof

import (
	"fmt"
	"strings"

	"github.com/sallyport/sallyport"
)

// maxFindings bounds a report: a wrecked log would otherwise fill it.
const maxFindings = 200

// Report is what the verification of a whole log found.
type Report struct {
	Leaves      int64  `json:"leaves"`
	Nodes       int64  `json:"nodes"`
	Checkpoints int64  `json:"checkpoints"`
	Calls       int64  `json:"calls"`
	Freezes     int64  `json:"freezes"`
	SignedVotes int64  `json:"signed_votes"` // votes whose ID tokens were verified
	Root        string `json:"root"`         // hash of the tree of all leaves, in base64 as in a checkpoint

	// Unsigned leaves are the last ones, which no checkpoint covers yet.
	// Opening the ledger signs them.
	Unsigned int64 `json:"unsigned"`
	// Unfinished calls have a start and no outcome. They are running, or the
	// worker has not found out yet how they ended.
	Unfinished []string `json:"unfinished"`
	// Erased calls have leaves and no contents. Compare them with the
	// erasures that were ordered.
	Erased []string `json:"erased"`

	// Newer is how many leaves are of a version that this program does not know.
	// A newer one verifies them: of their calls this report says nothing.
	Newer int64 `json:"newer"`

	// Findings are the values that were changed after they were written. An
	// intact ledger has none.
	Findings []Finding `json:"findings"`
	// Suppressed is how many further findings there are.
	Suppressed int `json:"suppressed"`
}

// NewReport is a report of nothing.
func NewReport() Report {
	return Report{Unfinished: []string{}, Erased: []string{}, Findings: []Finding{}}
}

// OK reports whether there are no findings.
func (r Report) OK() bool { return len(r.Findings) == 0 }

// Finding is one value that was changed after it was written.
type Finding struct {
	Where string `json:"where"` // such as "leaf 17" or "call k3v9…"
	What  string `json:"what"`
}

// String is the finding as a sentence.
func (f Finding) String() string { return f.Where + ": " + f.What }

// visibleLine is a text on one line, with what it hides made visible.
func visibleLine(s string) string {
	return strings.ReplaceAll(sallyport.Visible(s), "\n", `\u{000a}`)
}

// Find adds a finding. What it quotes can be an attacker's text.
func (r *Report) Find(where, format string, args ...any) {
	if len(r.Findings) >= maxFindings {
		r.Suppressed++
		return
	}
	r.Findings = append(r.Findings, Finding{Where: visibleLine(where), What: visibleLine(fmt.Sprintf(format, args...))})
}
