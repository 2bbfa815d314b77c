package sallyport

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strings"
)

const (
	// mostSpelt bounds the bytes of all spellings of a call's redacted texts, and
	// so the memory for the search.
	mostSpelt = 512 << 10
	// mostRounds bounds how often a text is searched: a secret that has marks in it
	// makes a search find more than the one before, one secret each time.
	mostRounds = 8
	// mostNested bounds the JSON within texts of JSON that is searched as such.
	mostNested = 4
)

// Secrets are the redacted texts of one call, for the search in texts that may
// quote them: tools, policies and people repeat what they are told. The zero value
// finds nothing.
type Secrets struct {
	finder *finder
	all    bool // there are too many to look for: no text is kept
	lost   bool // there are some, and their values are not known here
}

func secretsOf(arguments json.RawMessage, pointers []string, seal []byte) Secrets {
	if len(seal) == 0 {
		return Secrets{lost: len(pointers) > 0}
	}
	// A tool is told the seal too, under which a reader of the ledger could guess.
	whole := base64.StdEncoding.EncodeToString(seal)
	texts := slices.Concat(spellings(whole), encodings(string(seal)), []string{hex.EncodeToString(seal)})
	size := 0
	Redact(arguments, pointers, func(_ string, value []byte) string {
		if v, err := decodeAny(value); err == nil {
			eachText(v, func(s string, name bool) string {
				if !name && size <= mostSpelt {
					more := spellings(s)
					for _, m := range more {
						size += len(m)
					}
					texts = append(texts, more...)
				}
				return s
			})
		}
		return ""
	})
	if size > mostSpelt {
		return Secrets{all: true}
	}
	slices.Sort(texts)
	return Secrets{finder: newFinder(texts)}
}

// Lost reports whether there are redacted values that are not known here: the
// call comes from the ledger, and not from the agent.
func (s Secrets) Lost() bool { return s.lost }

// Scrub puts a mark in the place of secrets within a text. A text that is scrubbed
// stays as it is when it is scrubbed again. Of a text that costs too much to search,
// it leaves a mark alone.
func (s Secrets) Scrub(text string) string { return s.scrub(text, 0) }

// scrub is Scrub for a text that stands within so many texts of JSON.
func (s Secrets) scrub(text string, nested int) string {
	if text == "" || s.finder == nil && !s.all {
		return text
	}
	if s.all || nested > mostNested {
		return RedactedMark
	}
	for range mostRounds {
		next := s.once(s.within(text, nested+1))
		if next == text {
			return text
		}
		text = next
	}
	return RedactedMark
}

// once scrubs a text one time. It takes the whole of a mark where a secret begins
// or ends in one, and finds none within a mark.
func (s Secrets) once(text string) string {
	var b strings.Builder
	marks, done := marksIn(text), 0
	for _, f := range s.finder.stretches(text, cutOff) {
		f, within := f.and(marks)
		if within || f.to <= done {
			continue
		}
		if f.from >= done {
			b.WriteString(text[done:f.from])
			b.WriteString(RedactedMark)
		}
		done = f.to
	}
	return b.String() + text[done:]
}

func marksIn(text string) []stretch {
	var marks []stretch
	for at := 0; ; {
		i := strings.Index(text[at:], RedactedMark)
		if i < 0 {
			return marks
		}
		at += i + len(RedactedMark)
		marks = append(marks, stretch{at - len(RedactedMark), at})
	}
}

// and is a stretch with the sorted marks that it touches; within says that it is
// a part of one.
func (s stretch) and(marks []stretch) (all stretch, within bool) {
	all = s
	first, _ := slices.BinarySearchFunc(marks, s.from, func(m stretch, from int) int { return cmp.Compare(m.to, from+1) })
	for _, m := range marks[first:] {
		if m.from >= s.to {
			break
		}
		within = within || m.from <= s.from && s.to <= m.to
		all.from, all.to = min(all.from, m.from), max(all.to, m.to)
	}
	return all, within
}

// cutOff reports whether a text was cut before the rest of it.
func cutOff(rest string) bool {
	return strings.HasPrefix(rest, "…") || strings.HasPrefix(rest, "...")
}

// within scrubs the texts of JSON that a text holds.
func (s Secrets) within(text string, nested int) string {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || trimmed[0] != '{' && trimmed[0] != '[' || !json.Valid([]byte(trimmed)) {
		return text
	}
	d := json.NewDecoder(strings.NewReader(trimmed))
	d.UseNumber()
	scrubbed, found := map[string]string{}, false
	for {
		token, err := d.Token() // also of members that another one of the same name hides
		if err != nil {         // the text ends
			break
		}
		if t, ok := token.(string); ok {
			if _, known := scrubbed[t]; !known {
				scrubbed[t] = s.scrub(t, nested)
				found = found || scrubbed[t] != t
			}
		}
	}
	if !found {
		return text
	}
	v, err := decodeAny([]byte(trimmed))
	if err != nil { // its numbers or its depth are beyond the decoder
		return RedactedMark
	}
	return string(encodeAny(eachText(v, func(t string, _ bool) string { return scrubbed[t] })))
}

// ScrubJSON is [Secrets.Scrub] for the texts within a document. It leaves a
// document out that is not JSON.
func (s Secrets) ScrubJSON(document json.RawMessage) json.RawMessage {
	if len(document) == 0 || s.finder == nil && !s.all {
		return document
	}
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return mustJSON(RedactedMark)
	}
	if _, err := d.Token(); err != io.EOF {
		return mustJSON(RedactedMark)
	}
	return encodeAny(eachText(v, func(text string, _ bool) string { return s.Scrub(text) }))
}

// quotedIn reports whether a document holds secrets.
func (s Secrets) quotedIn(document json.RawMessage) bool {
	if len(document) == 0 {
		return false
	}
	v, err := decodeAny(document)
	return err != nil || !bytes.Equal(encodeAny(v), s.ScrubJSON(document))
}
