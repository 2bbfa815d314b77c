// Package unidiff writes the difference of two versions of a file. The executor
// shows it in plans, and the runner that commits the file computes it again, so
// that it commits exactly what people approved.
package unidiff

import (
	"fmt"
	"strings"
)

// diffContext is how many unchanged lines a diff shows around a change.
const diffContext = 3

// Unified writes the difference of two versions of a file as a unified diff
// of one hunk, from the first line that differs to the last. The tools change
// one place of a file, so that nothing would be gained from more hunks. Equal
// versions have no difference.
func Unified(path, before, after string) string {
	if before == after {
		return ""
	}
	a, b := lines(before), lines(after)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	from := max(0, head-diffContext)
	more := min(tail, diffContext)
	var d strings.Builder
	fmt.Fprintf(&d, "--- a/%s\n+++ b/%s\n", path, path)
	fmt.Fprintf(&d, "@@ -%s +%s @@\n", span(from, len(a)-tail+more), span(from, len(b)-tail+more))
	write := func(mark string, part []string) {
		for _, line := range part {
			d.WriteString(mark + line)
			if !strings.HasSuffix(line, "\n") {
				d.WriteString("\n\\ No newline at end of file\n")
			}
		}
	}
	write(" ", a[from:head])
	write("-", a[head:len(a)-tail])
	write("+", b[head:len(b)-tail])
	write(" ", a[len(a)-tail:len(a)-tail+more])
	return d.String()
}

// lines with their line feeds.
func lines(s string) []string {
	l := strings.SplitAfter(s, "\n")
	if l[len(l)-1] == "" {
		l = l[:len(l)-1]
	}
	return l
}

// span writes a range of lines as a hunk's head does.
func span(from, to int) string {
	switch to - from {
	case 0:
		return fmt.Sprintf("%d,0", from)
	case 1:
		return fmt.Sprint(from + 1)
	default:
		return fmt.Sprintf("%d,%d", from+1, to-from)
	}
}
