package sallyport_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport/sallyport"
)

// injections are texts that try to be more than text.
var injections = map[string]struct{ reason, text, visible string }{
	"Plain":          {"words are left alone", "scale api to 5", "scale api to 5"},
	"Umlauts":        {"so are other people's", "größer, 東京, नमस्ते", "größer, 東京, नमस्ते"},
	"Lines":          {"lines and tabs lay text out", "a\n\tb", "a\n\tb"},
	"CarriageReturn": {"a terminal would write over the line", "deny\rallow", `deny\u{000d}allow`},
	"Bidi":           {"U+202E shows text backwards", "replicas 5\u202e0", `replicas 5\u{202e}0`},
	"Isolate":        {"so do isolates", "\u2066x\u2069", `\u{2066}x\u{2069}`},
	"ArabicMark":     {"and marks without a width", "\u061c\u200f", `\u{061c}\u{200f}`},
	"ZeroWidth":      {"prod and prod are not the same", "pr\u200bod\ufeff", `pr\u{200b}od\u{feff}`},
	"SoftHyphen":     {"it is only sometimes there", "pro\u00adduction", `pro\u{00ad}duction`},
	"Filler":         {"a letter that shows nothing is a space", "api\u3164\u115f\uffa0", `api\u{3164}\u{115f}\u{ffa0}`},
	"Braille":        {"so is a pattern without dots", "api\u2800", `api\u{2800}`},
	"Joiner":         {"it joins nothing that can be seen", "a\u034fb", `a\u{034f}b`},
	"NoBreakSpace":   {"a space that is none", "a\u00a0b\u3000c", `a\u{00a0}b\u{3000}c`},
	"LineSeparator":  {"some readers begin a line", "a\u2028b\u2029c\u0085d", `a\u{2028}b\u{2029}c\u{0085}d`},
	"Tags":           {"letters that only a model reads", "hi\U000e0041\U000e0042", `hi\u{e0041}\u{e0042}`},
	"Variation":      {"bytes smuggled in selectors", "a\ufe0f\U000e0101", `a\u{fe0f}\u{e0101}`},
	"PrivateUse":     {"it looks like whatever the font wants", "\ue000", `\u{e000}`},
	"ANSI":           {"a terminal obeys", "\x1b[2J\x1b]8;;https://evil.example\x07", `\u{001b}[2J\u{001b}]8;;https://evil.example\u{0007}`},
	"C1":             {"a terminal obeys these too", "\u009b2J", `\u{009b}2J`},
	"Null":           {"some readers stop", "a\x00b", `a\u{0000}b`},
	"Backspace":      {"it hides what stands before", "no\b\byes", `no\u{0008}\u{0008}yes`},
	"BadUTF8":        {"bytes that are no text", "a\xff\xfeb", "a\uFFFDb"},
	"Stacked":        {"marks that pile up cover the lines around", "a" + strings.Repeat("\u0301", 6), "a\u0301\u0301\u0301" + strings.Repeat(`\u{0301}`, 3)},
	"HTML":           {"markdown may let it through", "<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"},
	"Markdown":       {"a link that lies", "[approve](https://evil.example)", "[approve](https://evil.example)"},
	"Fence":          {"a fence that ends ours", "```\n# Approved\n```", "```\n# Approved\n```"},
	"LongFence":      {"a longer one", "``````````\nx", "``````````\nx"},
	"TildeFence":     {"another kind", "~~~\n# Approved", "~~~\n# Approved"},
	"Tick":           {"a code span that ends ours", "`", "`"},
	"Ticks":          {"a run at either end", "``a`b``", "``a`b``"},
	"Pipe":           {"another column", "a|b", "a|b"},
	"Row":            {"another row", "a |\n| forged | row", "a |\n| forged | row"},
}

func TestVisible(t *testing.T) {
	for name, tt := range injections {
		t.Run(name, func(t *testing.T) {
			if got := sallyport.Visible(tt.text); got != tt.visible {
				t.Errorf("Visible(%q) = %q, want %q: %s", tt.text, got, tt.visible, tt.reason)
			}
		})
	}
}

func TestFence(t *testing.T) {
	for name, tt := range injections {
		t.Run(name, func(t *testing.T) { checkFence(t, tt.text, sallyport.Fence(tt.text)) })
	}
	if got := sallyport.Fence("a\n````\nb\n\n"); got != "`````text\na\n````\nb\n`````" {
		t.Errorf("Fence = %q", got)
	}
}

func TestLines(t *testing.T) {
	for name, tt := range injections {
		t.Run(name, func(t *testing.T) { checkLines(t, tt.text, sallyport.Lines(tt.text)) })
	}
	if got := sallyport.Lines("a|b\n\n \n\tc`d\n\n"); got != "`a|b`\n\n\n``     c`d ``" {
		t.Errorf("Lines = %q", got)
	}
}

func TestInline(t *testing.T) {
	for name, tt := range injections {
		t.Run(name, func(t *testing.T) { checkInline(t, tt.text, sallyport.Inline(tt.text, 80), 80) })
	}
	for in, want := range map[string]string{
		"":                       "",
		"api":                    "`api`",
		"a`b":                    "`` a`b ``",
		"a|b\nc\td":              "`a\\u{007c}b\\nc\\td`",
		" a":                     "`  a `",
		strings.Repeat("x", 200): "`" + strings.Repeat("x", 80) + "…`",
		strings.Repeat("`", 200): strings.Repeat("`", 81) + " " + strings.Repeat("`", 80) + "… " + strings.Repeat("`", 81),
	} {
		if got := sallyport.Inline(in, 80); got != want {
			t.Errorf("Inline(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, tt := range injections {
		f.Add(tt.text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		checkSeen(t, sallyport.Visible(s))
		checkFence(t, s, sallyport.Fence(s))
		checkLines(t, s, sallyport.Lines(s))
		checkInline(t, s, sallyport.Inline(s, 80), 80)
	})
}

// checkSeen fails on what a reader would not see, or see in another order.
func checkSeen(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Errorf("%q is not UTF-8", s)
	}
	for _, r := range s {
		if r == '\n' || r == '\t' {
			continue
		}
		if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Bidi_Control, unicode.Variation_Selector,
			unicode.Other_Default_Ignorable_Code_Point) || unicode.IsSpace(r) && r != ' ' {
			t.Errorf("%q shows U+%04X as it is", s, r)
		}
	}
}

// checkFence reads a fenced code block as CommonMark 0.31.2 (section 4.5)
// does: the first line that closes it must be the last.
func checkFence(t *testing.T, in, out string) {
	t.Helper()
	checkSeen(t, out)
	lines := strings.Split(out, "\n")
	fence, ok := strings.CutSuffix(lines[0], "text")
	if !ok || len(fence) < 3 || strings.Trim(fence, "`") != "" {
		t.Fatalf("Fence(%q) opens with %q", in, lines[0])
	}
	for i, line := range lines[1:] {
		indented := strings.TrimLeft(line, " ")
		ticks := strings.TrimRight(indented, " \t")
		closes := len(line)-len(indented) <= 3 && len(ticks) >= len(fence) && strings.Trim(ticks, "`") == ""
		if closes != (i == len(lines)-2) {
			t.Errorf("Fence(%q) = %q closes at line %d of %d", in, out, i+1, len(lines))
		}
	}
}

// checkInline reads a code span as CommonMark (section 6.1) does, within a
// cell of a table (GitHub Flavored Markdown 4.10): the first run of backticks
// as long as the opening one must be the end, and nothing ends the cell.
func checkInline(t *testing.T, in, out string, limit int) {
	t.Helper()
	checkSeen(t, out)
	if in == "" {
		return
	}
	if strings.ContainsAny(out, "\n\t|") {
		t.Errorf("Inline(%q) = %q leaves its cell", in, out)
	}
	ticks := checkSpan(t, out)
	if n := utf8.RuneCountInString(out) - 2*ticks; n > limit+3 { // an ellipsis and two spaces
		t.Errorf("Inline(%q) is %d characters long", in, n)
	}
}

// checkLines wants lines that are empty or one code span, so that none of them begins another block.
func checkLines(t *testing.T, in, out string) {
	t.Helper()
	checkSeen(t, out)
	for line := range strings.SplitSeq(out, "\n") {
		if line == "" {
			continue
		}
		if !strings.HasPrefix(line, "`") || strings.Contains(line, "\t") {
			t.Fatalf("Lines(%q) = %q has the line %q", in, out, line)
		}
		checkSpan(t, line)
	}
}

// checkSpan wants one code span and nothing after it. It returns how long its
// runs of backticks are.
func checkSpan(t *testing.T, out string) (ticks int) {
	t.Helper()
	rest := strings.TrimLeft(out, "`")
	ticks = len(out) - len(rest)
	for len(rest) > 0 {
		at := strings.IndexByte(rest, '`')
		if ticks == 0 || at < 0 {
			t.Fatalf("%q is not closed", out)
		}
		after := strings.TrimLeft(rest[at:], "`")
		if len(rest)-at-len(after) == ticks {
			if after != "" {
				t.Errorf("%q ends before %q", out, after)
			}
			break
		}
		rest = after
	}
	return ticks
}

func TestCut(t *testing.T) {
	for name, tt := range map[string]struct {
		reason, text string
		limit        int
		short        string // of so many characters
		head, tail   string // of so many bytes
	}{
		"Whole":     {"what fits stays as it is", "abc", 3, "abc", "abc", "abc"},
		"Longer":    {"the ellipsis stands for the rest", "abcd", 3, "abc…", "abc", "bcd"},
		"Wide":      {"half a character is none", "äöü", 3, "äöü", "ä", "ü"},
		"WideFits":  {"a character that fits is whole", "äöü", 4, "äöü", "äö", "öü"},
		"Wider":     {"half a character is none", "東京都", 2, "東京…", "", ""},
		"Nothing":   {"there is no room", "abc", 0, "…", "", ""},
		"Empty":     {"there is nothing to cut", "", 0, "", "", ""},
		"Bytes":     {"bytes that are no text count like characters", "\xff\xfe\xfd", 2, "\xff\xfe…", "\xff\xfe", "\xfe\xfd"},
		"Combining": {"a mark is a character of its own", "e\u0301e", 2, "e\u0301…", "e", "e"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sallyport.Shorten(tt.text, tt.limit); got != tt.short {
				t.Errorf("Shorten(%q, %d) = %q, want %q: %s", tt.text, tt.limit, got, tt.short, tt.reason)
			}
			if got := sallyport.Head(tt.text, tt.limit); got != tt.head {
				t.Errorf("Head(%q, %d) = %q, want %q: %s", tt.text, tt.limit, got, tt.head, tt.reason)
			}
			if got := sallyport.Tail(tt.text, tt.limit); got != tt.tail {
				t.Errorf("Tail(%q, %d) = %q, want %q: %s", tt.text, tt.limit, got, tt.tail, tt.reason)
			}
		})
	}
}

func TestIndented(t *testing.T) {
	for name, tt := range map[string]struct{ reason, document, want string }{
		"Members":   {"each on a line of its own, in their order", `{"b":[1,null],"a":{}}`, "{\n  \"b\": [\n    1,\n    null\n  ],\n  \"a\": {}\n}"},
		"Escapes":   {"digests are over these escapes, and people read the characters", `"\u003cb\u003e \u0026"`, `"<b> &"`},
		"Escaped":   {"a backslash and a u are no escape", `"\\u003c \\\u003c"`, `"\\u003c \\<"`},
		"LineFeed":  {"a text can't begin a line", `{"a":"x\n  \"b\": 1"}`, "{\n  \"a\": \"x\\n  \\\"b\\\": 1\"\n}"},
		"NotJSON":   {"it is shown as it is", `{\u003c`, `{\u003c`},
		"Numbers":   {"they stay as they are", `1e400`, `1e400`},
		"Duplicate": {"nothing is left out", `{"a":1,"a":2}`, "{\n  \"a\": 1,\n  \"a\": 2\n}"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sallyport.Indented([]byte(tt.document)); got != tt.want {
				t.Errorf("Indented(%s) = %s, want %s: %s", tt.document, got, tt.want, tt.reason)
			}
		})
	}
}
