package sallyport

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Redaction lists, by JSON Pointers (RFC 6901), the parts of a call's arguments and
// of its result that are stored nowhere.
type Redaction struct {
	Arguments []string `json:"arguments,omitempty" yaml:"arguments"`
	Result    []string `json:"result,omitempty" yaml:"result"`

	// KeepResult is all that is kept of the result of a tool with redacted
	// arguments, which can quote these in ways that no search finds.
	KeepResult []string `json:"keep_result,omitempty" yaml:"keep_result"`
}

// RedactedMark stands where something was left out.
const RedactedMark = "[redacted]"

func sealed(arguments json.RawMessage, pointers []string, seal []byte) json.RawMessage {
	if len(seal) == 0 { // nothing to redact, or it is redacted already
		return arguments
	}
	return Redact(arguments, pointers, func(pointer string, value []byte) string {
		h := hmac.New(sha256.New, seal)
		h.Write([]byte("sallyport/redaction/v1\x00" + pointer + "\x00"))
		h.Write(value)
		return "redacted:hmac-sha256:" + hex.EncodeToString(h.Sum(nil))
	})
}

// Redact puts a mark in the place of each value that pointers point at. It
// redacts a document that is not JSON as a whole.
func Redact(document json.RawMessage, pointers []string, mark func(pointer string, value []byte) string) json.RawMessage {
	if len(pointers) == 0 || len(document) == 0 {
		return document
	}
	v, err := decodeAny(document)
	if err != nil {
		return mustJSON(mark("", document))
	}
	for _, p := range pointers {
		v = redactAt(v, tokens(p), func(value any) any { return marked(mark(p, mustJSON(value))) })
	}
	return encodeAny(v)
}

// keepOnly leaves out of a document all but what pointers point at: other members
// go, and other elements of a list become marks.
func keepOnly(document json.RawMessage, pointers []string) json.RawMessage {
	if len(document) == 0 {
		return document
	}
	v, err := decodeAny(document)
	if err != nil || len(pointers) == 0 {
		return mustJSON(RedactedMark)
	}
	at := make([][]string, len(pointers))
	for i, p := range pointers {
		at[i] = tokens(p)
	}
	kept, some := keepAt(v, at)
	if !some {
		return mustJSON(RedactedMark)
	}
	return encodeAny(kept)
}

// keepAt keeps of a value what is at some places, and reports whether there is
// any of it.
func keepAt(v any, places [][]string) (kept any, some bool) {
	below := map[string][][]string{}
	for _, at := range places {
		if len(at) == 0 {
			return v, true
		}
		below[at[0]] = append(below[at[0]], at[1:])
	}
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if v[name], some = keepAt(member, below[name]); !some {
				delete(v, name)
			}
		}
		return v, len(v) > 0
	case []any:
		return keepElements(v, below)
	default:
		return v, false
	}
}

// keepElements marks what a list leaves out: the others keep their places.
func keepElements(v []any, below map[string][][]string) (kept any, some bool) {
	for i, element := range v {
		part, has := keepAt(element, below[strconv.Itoa(i)])
		if !has {
			part = RedactedMark
		}
		v[i], some = part, some || has
	}
	return v, some
}

// marked is what stands for a value that was left out.
type marked string

// redactAt replaces the value at a place, if there is one. A value of another form
// than the pointer expects is replaced as a whole: it may hold what the place
// would.
func redactAt(v any, at []string, mark func(any) any) any {
	if len(at) == 0 {
		return mark(v)
	}
	switch v := v.(type) {
	case map[string]any:
		if below, ok := v[at[0]]; ok {
			v[at[0]] = redactAt(below, at[1:], mark)
		}
	case []any:
		n, err := strconv.Atoi(at[0])
		if err != nil {
			return mark(v)
		}
		if n >= 0 && n < len(v) {
			v[n] = redactAt(v[n], at[1:], mark)
		}
	case nil, marked:
	default:
		return mark(v)
	}
	return v
}

// tokens are the steps of a JSON Pointer.
func tokens(pointer string) []string {
	parts := strings.Split(pointer, "/")[1:]
	for i, p := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(p)
	}
	return parts
}

// ValidPointer reports whether this is a JSON Pointer to something within a
// document.
func ValidPointer(p string) bool {
	rest := strings.NewReplacer("~0", "", "~1", "").Replace(p)
	return strings.HasPrefix(p, "/") && len(p) <= 256 && !strings.Contains(rest, "~")
}

// eachText replaces each text within a value, names of members included. Of two
// names that become one, the later one's member stays: the result must always be
// the same, for digests are over it.
func eachText(v any, by func(text string, name bool) string) any {
	switch v := v.(type) {
	case string:
		return by(v, false)
	case []any:
		for i := range v {
			v[i] = eachText(v[i], by)
		}
		return v
	case map[string]any:
		m := make(map[string]any, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			m[by(name, true)] = eachText(v[name], by)
		}
		return m
	default:
		return v
	}
}

func decodeAny(document []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber() // as it stands
	err = d.Decode(&v)
	return v, err
}

func encodeAny(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // it was decoded
		return mustJSON(RedactedMark)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
