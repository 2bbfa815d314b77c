package gitops

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/sallyport/sallyport"
)

// The trailers of a commit.
const (
	trailerCall   = "Sallyport-Call"
	trailerAgent  = "Sallyport-Agent"
	trailerPerson = "Sallyport-Approved-By"
	trailerIntent = "Sallyport-Intent"
	trailerPlan   = "Sallyport-Plan"
	trailerBallot = "Sallyport-Ballot"
)

// maxValue bounds a value in one line of a message, in characters.
const maxValue = 200

// message names the action and its target, and the trailers of a permit. It holds
// no text of an agent's own words, and no value can begin a line of its own.
func message(p sallyport.Permit) string {
	i := p.Intent()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s/%s\n\n", oneLine(i.Action), oneLine(i.Resource), oneLine(i.Namespace), oneLine(i.Name))
	trailer := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", key, oneLine(value))
		}
	}
	trailer(trailerCall, i.CallID)
	trailer(trailerAgent, i.Agent.ID)
	for _, person := range p.People() {
		trailer(trailerPerson, person)
	}
	trailer(trailerIntent, string(i.Digest()))
	if plan := p.Plan(); plan != nil {
		trailer(trailerPlan, string(plan.Digest()))
	}
	if ballot := p.Ballot(); ballot != nil {
		trailer(trailerBallot, string(ballot.Digest()))
	}
	return b.String()
}

// oneLine makes a short line of a text, with invisible characters escaped.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, unicode.IsSpace), " ")
	if r := []rune(s); len(r) > maxValue {
		s = string(r[:maxValue])
	}
	return sallyport.Visible(s)
}

// trailers reads the last paragraph of a message. Of a repeated key the first
// value counts.
func trailers(message string) map[string]string {
	message = strings.TrimRight(message, "\n")
	if i := strings.LastIndex(message, "\n\n"); i >= 0 {
		message = message[i+2:]
	} else {
		return nil
	}
	found := map[string]string{}
	for line := range strings.Lines(message) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ": ")
		if _, twice := found[key]; ok && !twice {
			found[key] = value
		}
	}
	return found
}
