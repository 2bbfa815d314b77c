package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
)

// showCovered shows all that a vote covers.
func showCovered(w io.Writer, c client.Covered) {
	i := c.Intent
	fact(w, "agent", i.Agent.ID+" (owner "+i.Agent.Owner+")")
	fact(w, "tool", i.Tool.Name)
	fact(w, "manifest", string(i.Tool.Digest))
	fact(w, "image", i.Tool.Image)
	fact(w, "what", i.Action+" "+i.Resource+effects(i.Tool))
	fact(w, "target", i.Namespace+"/"+i.Name)
	fact(w, "asked", i.At.UTC().Format(time.RFC3339))
	fact(w, "ballot", string(c.Ballot))
	fact(w, "needs", fmt.Sprintf("%d of %v within %s, by %v", c.Terms.Quorum, c.Terms.Groups, time.Duration(c.Terms.TTLSeconds)*time.Second, c.Terms.Evidence))
	fmt.Fprintf(w, "\nArguments:\n%s", quote(sallyport.Indented(i.Arguments)))
	if len(i.Redact.Arguments) > 0 {
		fmt.Fprintf(w, "Redacted arguments are commitments: %s\n", line(strings.Join(i.Redact.Arguments, ", ")))
	}
	if p := c.Plan; p != nil {
		fmt.Fprintf(w, "\nWhat would change (the tool's words):\n%s%s", quote(p.Summary), quoteDiff(w, p.Diff))
		for _, change := range p.Changes {
			fmt.Fprint(w, quote(change.Path+": "+orNothing(change.Before)+" → "+orNothing(change.After)))
		}
		fmt.Fprintf(w, "\nThe write is refused unless this still holds:\n%s", quote(sallyport.Indented(p.Preconditions)))
	} else {
		fmt.Fprint(w, "\nThe tool makes no plan: the arguments are all that is known of the effect.\n")
	}
	showStated(w, i.Stated)
}

func showStated(w io.Writer, s sallyport.Stated) {
	for _, stated := range []struct{ name, text string }{{"reason", s.Reason}, {"session", s.Session}, {"task", s.Task}} {
		if stated.text != "" {
			fmt.Fprintf(w, "\nThe agent's own words (untrusted), its %s:\n%s", stated.name, quote(stated.text))
		}
	}
}

// showGatewaysWord shows what no digest covers.
func showGatewaysWord(w io.Writer, call client.Call) {
	fmt.Fprint(w, "\nThe gateway says (the vote does not cover this):\n")
	fmt.Fprint(w, quote("state "+string(call.State)+", open until "+call.Ballot.ExpiresAt.UTC().Format(time.RFC3339)))
	if call.Decision != nil {
		for _, r := range call.Decision.Reasons {
			fmt.Fprint(w, quote("policy: "+r.Code+": "+r.Message))
		}
	}
	for _, v := range call.Ballot.Votes {
		fmt.Fprint(w, quote(v.Person+" voted "+string(v.Verdict)+" "+v.Reason))
	}
}

func effects(t sallyport.ToolRef) string {
	switch {
	case t.Destructive:
		return " (can't be undone)"
	case t.ReadOnly:
		return " (only reads)"
	default:
		return ""
	}
}

func orNothing(v json.RawMessage) string {
	if len(v) == 0 {
		return "nothing"
	}
	return sallyport.Indented(v)
}

// A line of a terminal that is longer than the terminal is wide goes on at the left
// edge, where the program's own words stand. So the program breaks lines of foreign
// text itself, and marks what is left of them.
const (
	quoteWidth = 72 // columns of a quoted line
	valueWidth = 71 // columns of a value beside its name: those of a digest
	broken     = "\n  : "
)

// line shows foreign text as one value.
func line(s string) string {
	return fold(strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(sallyport.Visible(s)), valueWidth)
}

// quote shows foreign text with a mark at the left of each line, so that none of
// it can pass for the program's own words.
func quote(s string) string {
	var b strings.Builder
	for text := range strings.SplitSeq(strings.TrimRight(sallyport.Visible(s), "\n"), "\n") {
		b.WriteString("  | " + fold(strings.ReplaceAll(text, "\t", "    "), quoteWidth) + "\n")
	}
	return b.String()
}

// fold breaks one line of visible text after so many columns.
func fold(s string, columns int) string {
	var b strings.Builder
	column := 0
	for _, r := range s {
		width := 1
		if r > unicode.MaxLatin1 { // some are twice as wide
			width = 2
		}
		if column += width; column > columns {
			b.WriteString(broken)
			column = width
		}
		b.WriteRune(r)
	}
	return b.String()
}
