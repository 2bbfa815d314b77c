// Package details renders a call for people in the Temporal UI, from what the
// worker verified. Everything that came from an agent, a manifest, a target or a
// voter goes through the root package's renderer.
package details

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport"
)

const (
	// CellLimit bounds the characters of untrusted text in a table's cell.
	CellLimit = 200
	// textLimit bounds the bytes of a diff, and of arguments. The server takes
	// details of 2 MB at most.
	textLimit = 64 << 10
)

// Origin says which part of the page the worker wrote. The client that starts a
// workflow, which is the API, could write the other two.
const Origin = "*The worker wrote Current Details from the call that it verified. It writes nothing under Summary and Details: if anything stands there, do not go by it.*\n\n"

// Cut shortens text to a number of bytes, and says so where there is room.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const note = "\n… (cut; sallyport approve shows all of it)"
	if limit > 10*len(note) {
		return sallyport.Head(s, limit-len(note)) + note
	}
	return sallyport.Head(s, limit)
}

// Call shows a call as the worker verified it: what it would do to what, and its
// arguments as they are stored.
func Call(b *strings.Builder, i sallyport.Intent) {
	b.WriteString("### The call\n\n")
	Facts(b,
		"agent", sallyport.Inline(i.Agent.ID, CellLimit)+" (owner "+sallyport.Inline(i.Agent.Owner, CellLimit)+")",
		"tool", sallyport.Inline(i.Tool.Name, CellLimit),
		"what", sallyport.Inline(i.Action+" "+i.Resource, CellLimit),
		"target", sallyport.Inline(i.Namespace+"/"+i.Name, CellLimit),
		"received", i.At.UTC().Format(time.RFC3339),
		"call", sallyport.Inline(i.CallID, CellLimit),
		"manifest", sallyport.Inline(string(i.Tool.Digest), CellLimit),
		"image", sallyport.Inline(i.Tool.Image, CellLimit),
	)
	b.WriteString("\n### Arguments\n\n" + document(i.Arguments) + "\n")
	if len(i.Redact.Arguments) > 0 {
		b.WriteString("\nRedacted, and shown as commitments: " + sallyport.Inline(strings.Join(i.Redact.Arguments, ", "), CellLimit) + "\n")
	}
}

// Words shows the agent's own words.
func Words(b *strings.Builder, i sallyport.Intent) {
	b.WriteString("\n### Why the agent asks, in its own words (untrusted)\n\n" + sallyport.Lines(cmp.Or(i.Stated.Reason, "no reason given")) + "\n\n")
	Facts(b,
		"session", sallyport.Inline(i.Stated.Session, CellLimit),
		"task", sallyport.Inline(i.Stated.Task, CellLimit),
	)
}

// Plan shows what a call would change.
func Plan(b *strings.Builder, p sallyport.Plan) {
	b.WriteString("\n### What would change\n\n" + sallyport.Inline(p.Summary, CellLimit) + "\n\n" + sallyport.Fence(Cut(p.Diff, textLimit)) + "\n" +
		"\n### What must still hold for the write\n\n" + document(p.Preconditions) + "\n")
}

// document shows JSON in lines that wrap, so that nothing hides to their right.
func document(v json.RawMessage) string {
	return sallyport.Lines(Cut(sallyport.Indented(v), textLimit))
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
