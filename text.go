package sallyport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text from agents, manifests and targets is untrusted wherever a human sees
// it. Fence, Lines and Inline are the only ways in which it gets into markdown,
// and Visible the only way onto a terminal.

// Visible shows characters that a reader would not see, or that would change
// how others are shown (control, format and bidirectional characters,
// separators, blank letters, private use, more than three combining marks in
// a row), as escapes such as \u{202e}. Line feeds and tabs stay.
func Visible(s string) string {
	return Escape(s, func(r rune) string { return fmt.Sprintf(`\u{%04x}`, r) })
}

// Escape is [Visible] with escapes of another form, for text in a language that
// has escapes of its own, such as JSON.
func Escape(s string, escape func(rune) string) string {
	var b strings.Builder
	marks := 0
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if unicode.IsMark(r) {
			marks++
		} else {
			marks = 0
		}
		if marks > 3 || !seen(r) {
			b.WriteString(escape(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// seen reports whether a reader sees r, and nothing else because of it.
func seen(r rune) bool {
	switch r {
	case ' ', '\n', '\t':
		return true
	case '\u2800': // the Braille pattern without dots
		return false
	}
	return unicode.IsGraphic(r) && !unicode.In(r, unicode.Zs, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// Fence shows text as a markdown code block whose fence is longer than any
// run of backticks in it.
func Fence(s string) string {
	fence := strings.Repeat("`", max(3, backticks(s)+1))
	return fence + "text\n" + strings.TrimRight(Visible(s), "\n") + "\n" + fence
}

// Lines shows text as a markdown paragraph in which each line is a code span.
// Unlike in a Fence they are wrapped where the reader's window ends, so that
// nothing can hide to the right of it. It is no block quote, because the
// Temporal UI looks for code blocks everywhere in one: a run of backticks in
// it may take in all that follows.
func Lines(s string) string {
	lines := strings.Split(strings.TrimRight(Visible(s), "\n"), "\n")
	for i, line := range lines {
		line = strings.ReplaceAll(line, "\t", "    ")
		if lines[i] = ""; strings.Trim(line, " ") != "" {
			lines[i] = span(line)
		}
	}
	return strings.Join(lines, "\n")
}

// Inline shows text as a markdown code span that fits into a table's cell:
// on one line, at most limit characters long, with pipes escaped.
func Inline(s string, limit int) string {
	s = strings.NewReplacer("\n", `\n`, "\t", `\t`, "|", `\u{007c}`).Replace(Visible(s))
	if s = Shorten(s, limit); s == "" {
		return ""
	}
	return span(s)
}

// Indented shows JSON with each member on a line of its own. Strings stay as JSON
// writes them, so that no text in them can pass for a member, except that the
// escapes of <, > and & that digests are over are undone.
func Indented(document json.RawMessage) string {
	var plain, b bytes.Buffer
	for i := 0; i < len(document); i++ {
		switch rest := document[i:]; {
		case bytes.HasPrefix(rest, []byte(`\u003c`)), bytes.HasPrefix(rest, []byte(`\u003e`)), bytes.HasPrefix(rest, []byte(`\u0026`)):
			plain.WriteByte(map[byte]byte{'c': '<', 'e': '>', '6': '&'}[rest[5]])
			i += 5
		case rest[0] == '\\' && len(rest) > 1: // the next character is a part of this escape
			plain.Write(rest[:2])
			i++
		default:
			plain.WriteByte(rest[0])
		}
	}
	if err := json.Indent(&b, plain.Bytes(), "", "  "); err != nil {
		return string(document)
	}
	return b.String()
}

// span shows one line as a markdown code span.
func span(s string) string {
	ticks := strings.Repeat("`", backticks(s)+1)
	if len(ticks) == 1 && !strings.HasPrefix(s, " ") {
		return ticks + s + ticks
	}
	return ticks + " " + s + " " + ticks
}

// backticks is the length of the longest run of backticks in s.
func backticks(s string) int {
	longest, run := 0, 0
	for _, r := range s {
		if r == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}

// Shorten is the beginning of a text, with an ellipsis in place of what goes
// beyond limit characters.
func Shorten(s string, limit int) string {
	for i := range s {
		if limit == 0 {
			return s[:i] + "…"
		}
		limit--
	}
	return s
}

// Head is the beginning of a text: whole characters, at most limit bytes.
func Head(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// Tail is the end of a text: whole characters, at most limit bytes.
func Tail(s string, limit int) string {
	begin := max(len(s)-limit, 0)
	for begin > 0 && begin < len(s) && !utf8.RuneStart(s[begin]) {
		begin++
	}
	return s[begin:]
}
