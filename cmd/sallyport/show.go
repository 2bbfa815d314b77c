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
	fmt.Fprintf(w, "agent    %s (owner %s)\ntool     %s, manifest %s\n", line(i.Agent.ID), line(i.Agent.Owner), line(i.Tool.Name), line(string(i.Tool.Digest)))
	if i.Tool.Image != "" {
		fmt.Fprintf(w, "image    %s\n", line(i.Tool.Image))
	}
	fmt.Fprintf(w, "what     %s %s%s\ntarget   %s/%s\n", line(i.Action), line(i.Resource), effects(i.Tool), line(i.Namespace), line(i.Name))
	fmt.Fprintf(w, "asked    %s\nballot   %s\n", i.At.UTC().Format(time.RFC3339), c.Ballot)
	fmt.Fprintf(w, "needs    %d of [%s] within %s, by %s\n", c.Terms.Quorum, line(strings.Join(c.Terms.Groups, ", ")),
		time.Duration(c.Terms.TTLSeconds)*time.Second, line(fmt.Sprint(c.Terms.Evidence)))
	fmt.Fprintf(w, "\nArguments:\n%s", quote(sallyport.Indented(i.Arguments)))
	if len(i.Redact.Arguments) > 0 {
		fmt.Fprintf(w, "Redacted arguments are commitments: %s\n", line(strings.Join(i.Redact.Arguments, ", ")))
	}
	if p := c.Plan; p != nil {
		fmt.Fprintf(w, "\nWhat would change (the tool's words):\n%s%s", quote(p.Summary), quote(p.Diff))
		for _, change := range p.Changes {
			fmt.Fprint(w, quote(change.Path+": "+orNothing(change.Before)+" → "+orNothing(change.After)))
		}
		fmt.Fprintf(w, "\nThe write is refused unless this still holds:\n%s", quote(sallyport.Indented(p.Preconditions)))
	} else {
		fmt.Fprint(w, "\nThe tool makes no plan: the arguments are all that is known of the effect.\n")
	}
	for _, stated := range []struct{ name, text string }{{"reason", i.Stated.Reason}, {"session", i.Stated.Session}, {"task", i.Stated.Task}} {
		if stated.text != "" {
			fmt.Fprintf(w, "\nThe agent's own words (untrusted), its %s:\n%s", stated.name, quote(stated.text))
		}
	}
}

// showGatewaysWord shows what no digest covers.
func showGatewaysWord(w io.Writer, call client.Call) {
	fmt.Fprint(w, "\nThe gateway says (the vote does not cover this):\n")
	fmt.Fprintf(w, "  state %s, open until %s\n", line(string(call.State)), call.Ballot.ExpiresAt.UTC().Format(time.RFC3339))
	if call.Decision != nil {
		for _, r := range call.Decision.Reasons {
			fmt.Fprintf(w, "  policy: %s: %s\n", line(r.Code), line(r.Message))
		}
	}
	for _, v := range call.Ballot.Votes {
		fmt.Fprintf(w, "  %s voted %s %s\n", line(v.Person), line(string(v.Verdict)), line(v.Reason))
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

// line shows foreign text on one line.
func line(s string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(sallyport.Visible(s))
}

// quoteWidth is how many columns a quoted line has. It is less than terminals have:
// a line that the terminal itself breaks would go on at the left edge, where
// the program's own words stand.
const quoteWidth = 72

// quote shows foreign text with a mark at the left of each line, so that none of
// it can pass for the program's own words.
func quote(s string) string {
	var b strings.Builder
	for text := range strings.SplitSeq(strings.TrimRight(sallyport.Visible(s), "\n"), "\n") {
		b.WriteString("  | ")
		column := 0
		for _, r := range strings.ReplaceAll(text, "\t", "    ") {
			width := 1
			if r > unicode.MaxLatin1 { // some are twice as wide
				width = 2
			}
			if column += width; column > quoteWidth {
				b.WriteString("\n  : ")
				column = width
			}
			b.WriteRune(r)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
