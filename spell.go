package sallyport

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// leastSecret is how many bytes a text must have to be looked for: shorter ones
	// are everywhere.
	leastSecret = 4
	// longestShifted bounds the texts that are looked for within base64 of more, in
	// bytes.
	longestShifted = 1 << 10
)

// spellings are the ways in which programs write a value: as it is, escaped for
// JSON, Go, YAML, HTML, URLs and JSON Pointers, in base64, and each line of it.
func spellings(value string) []string {
	list := append(texts(value), encodings(value)...)
	lines := map[string]bool{value: true}
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); len(line) >= leastLine && !lines[line] {
			lines[line] = true
			list = append(list, texts(line)...)
		}
	}
	list = slices.DeleteFunc(list, func(s string) bool { return len(s) < leastSecret })
	slices.Sort(list)
	return slices.Compact(list)
}

// texts are the ways in which a text stands within other text.
func texts(value string) []string {
	if len(value) < leastSecret {
		return nil
	}
	query := url.QueryEscape(value)
	spaced := strings.ReplaceAll(query, "+", "%20")
	list := []string{
		value, Visible(value), strings.TrimSpace(value), strings.Join(strings.Fields(value), " "),
		unquoted([]byte(strconv.Quote(value))), unquoted([]byte(strconv.QuoteToASCII(value))),
		query, spaced, url.PathEscape(value),
		strings.NewReplacer("%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(spaced),
		strings.ReplaceAll(value, "'", "''"),
		html.EscapeString(value),
		strings.NewReplacer("~", "~0", "/", "~1").Replace(value),
	}
	list = append(list, inJSON(value)...)
	for _, escaped := range []string{unquoted(encodeAny(value)), unquoted(mustJSON(value)), upperEscapes(unquoted(mustJSON(value)))} { // as JSON within a text of JSON
		list = append(list, inJSON(escaped)...)
	}
	for _, s := range []string{query, spaced} {
		list = append(list, lowerPercent(s))
	}
	return list
}

// inJSON are the ways in which JSON writes a text, without its quotation marks.
func inJSON(value string) []string {
	var list []string
	for _, plain := range []string{unquoted(encodeAny(value)), unquoted(mustJSON(value))} {
		for _, s := range []string{plain, upperEscapes(plain), inASCII(plain), upperEscapes(inASCII(plain))} {
			list = append(list, s, strings.ReplaceAll(s, "/", `\/`))
		}
	}
	return list
}

func unquoted(b []byte) string { return string(b[1 : len(b)-1]) }

// inASCII escapes what is beyond ASCII as JSON does.
func inASCII(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// upperEscapes writes the digits of JSON's \u escapes in upper case.
func upperEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+6 <= len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		if b[i+1] == 'u' {
			copy(b[i+2:], bytes.ToUpper(b[i+2:i+6]))
		}
		i++ // what is escaped begins no escape
	}
	return string(b)
}

// lowerPercent writes percent-encoded bytes in lower case.
func lowerPercent(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], bytes.ToLower(b[i+1:i+3]))
		}
	}
	return string(b)
}

// encodings are the ways in which base64 (RFC 4648) writes a text: whole, and
// within that of a longer text, such as of a user and a password.
func encodings(value string) []string {
	if len(value) < leastSecret {
		return nil
	}
	var list []string
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		raw := e.WithPadding(base64.NoPadding)
		list = append(list, e.EncodeToString([]byte(value)), raw.EncodeToString([]byte(value)))
		for shift := range 3 {
			if len(value) > longestShifted {
				break
			}
			shifted := raw.EncodeToString(append(make([]byte, shift), value...))
			list = append(list, shifted[(shift*8+5)/6:(shift+len(value))*8/6])
		}
	}
	return list
}
