package main

import (
	"io"
	"os"
	"strings"

	"github.com/sallyport/sallyport"
)

// coloured reports whether a terminal that shows colours reads w, and the user has
// not asked for none (https://no-color.org).
func coloured(w io.Writer) bool {
	f, ok := w.(*os.File)
	if term := os.Getenv("TERM"); !ok || os.Getenv("NO_COLOR") != "" || term == "" || term == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// quoteDiff is quote for a diff: on a terminal, lines that were added are green, and
// those that were removed are red. The bar at their left stays the program's own.
func quoteDiff(w io.Writer, diff string) string {
	if !coloured(w) {
		return quote(diff)
	}
	const bar = len("  | ")
	var b strings.Builder
	for text := range strings.SplitSeq(strings.TrimRight(sallyport.Visible(diff), "\n"), "\n") {
		begin, end := colourOf(text), ""
		if begin != "" {
			end = "\x1b[0m"
		}
		for shown := range strings.Lines(quote(text)) {
			b.WriteString(shown[:bar] + begin + strings.TrimSuffix(shown[bar:], "\n") + end + "\n")
		}
	}
	return b.String()
}

func colourOf(text string) string {
	switch {
	case strings.HasPrefix(text, "+"):
		return "\x1b[32m"
	case strings.HasPrefix(text, "-"):
		return "\x1b[31m"
	case strings.HasPrefix(text, "@@"):
		return "\x1b[36m"
	default:
		return ""
	}
}
