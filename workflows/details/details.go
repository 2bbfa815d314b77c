// Package details renders a call for people in the Temporal UI.
// Everything that came from an agent, a manifest, a target or a voter goes
// through the root package's renderer.
package details

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport"
)

// CellLimit bounds the characters of untrusted text in a table's cell.
const CellLimit = 200

// Cut shortens text to a number of bytes, and says so where there is room.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const note = "\n… (cut; the API has all of it)"
	if limit > 10*len(note) {
		return sallyport.Head(s, limit-len(note)) + note
	}
	return sallyport.Head(s, limit)
}

// Summary is the static summary of a call's workflow: one line.
func Summary(c sallyport.Call) string {
	return sallyport.Inline(c.AgentID, 64) + " calls " + sallyport.Inline(c.Tool, 64)
}

// Call is the static details of a call's workflow: the call, with the agent's own
// words.
func Call(c sallyport.Call) string {
	var b strings.Builder
	b.WriteString("### The call\n\n")
	Facts(&b,
		"call", sallyport.Inline(c.ID, CellLimit),
		"agent", sallyport.Inline(c.AgentID, CellLimit),
		"tool", sallyport.Inline(c.Tool, CellLimit),
		"received", c.ReceivedAt.Format(time.RFC3339),
	)
	b.WriteString("\n### The agent's words (untrusted)\n\n")
	b.WriteString(sallyport.Lines(cmp.Or(c.Stated.Reason, "no reason given")) + "\n\n")
	Facts(&b,
		"session", sallyport.Inline(c.Stated.Session, CellLimit),
		"task", sallyport.Inline(c.Stated.Task, CellLimit),
	)
	b.WriteString("\nArguments:\n\n" + sallyport.Fence(string(c.Arguments)) + "\n")
	return b.String()
}

// unbroken is how long a word in a table's cell may be. The UI gives half of
// its width to a table, breaks no word in it, and cuts what is wider.
const unbroken = 40

// Facts writes what has a name and a value: as rows of a table, of which the
// first is the head, and where a value is too wide for one, in lines after it.
// Names without a value are left out.
func Facts(b *strings.Builder, cells ...string) {
	var after strings.Builder
	rule := "| --- | --- |\n"
	for pair := range slices.Chunk(cells, 2) {
		name, value := pair[0], pair[1]
		if value == "" {
			continue
		}
		if slices.ContainsFunc(strings.Fields(value), func(w string) bool { return utf8.RuneCountInString(w) > unbroken }) {
			fmt.Fprintf(&after, "\n%s: %s\n", name, value)
			continue
		}
		fmt.Fprintf(b, "| %s | %s |\n%s", name, value, rule)
		rule = ""
	}
	b.WriteString(after.String())
}
