package sallyport

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Terms are what a search finds a call by, beside its agent, tool, namespace,
// state and time: each is what it is, a colon, and its value. They are a part of
// what is erased.

// terms are those of a kind whose values are not empty.
func terms(kind string, values ...string) (all []string) {
	for _, v := range values {
		if v != "" {
			all = append(all, kind+":"+Searchable(v))
		}
	}
	return all
}

// maxSearchable bounds what is searched for as it stands, in bytes.
const maxSearchable = 256

// Searchable is a text as every database can hold and index it: itself, or a
// digest of one that is too long or is no text to some. Two that differ stay
// different.
func Searchable(text string) string {
	if len(text) > maxSearchable || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return string(NewDigest("sallyport/searchable/v1", []byte(text)))
	}
	return text
}

// Query selects calls, newest first. Zero fields select everything.
type Query struct {
	States    []State
	Agent     string
	Tool      string
	Namespace string    // of the target
	Name      string    // of the target
	Person    string    // who voted, or wanted it to end
	Digest    Digest    // of the intent, the plan, the ballot, the tool's manifest or its image
	TraceID   string    // as in the request's traceparent
	Since     time.Time // received at or after
	Before    time.Time // received before
	Cursor    string    // from an earlier Page
	Limit     int       // 1 to 500; 0 means 50
}

// Page is a part of the calls that a query selects.
type Page struct {
	Records []Record
	Cursor  string // "" on the last page
}

// Terms are what its entry adds to what a call is found by.
func (e Entry) Terms() []string {
	switch e.Kind { //nolint:exhaustive // nothing else has any
	case EntryReceived:
		return terms("trace", TraceID(e.Call.TraceParent))
	case EntryIntent:
		return append(terms("name", e.Intent.Name), terms("digest", string(e.Intent.Digest()), string(e.Intent.Tool.Digest))...)
	case EntryDecision:
		if e.Plan != nil {
			return terms("digest", string(e.Plan.Digest()))
		}
	case EntryPlan:
		return terms("digest", string(e.Plan.Digest()))
	case EntryBallot:
		return terms("digest", string(e.Ballot.Digest()))
	case EntryVote:
		return terms("person", e.Vote.Person)
	case EntryStop:
		return terms("person", e.Stop.By)
	case EntryStart:
		_, image, _ := strings.Cut(e.Start.Image, "@")
		return terms("digest", image)
	}
	return nil
}

// Terms are those that a call must have for the query to select it.
func (q Query) Terms() []string {
	var all []string
	for _, t := range []struct{ kind, value string }{
		{"person", q.Person}, {"name", q.Name}, {"digest", string(q.Digest)}, {"trace", q.TraceID},
	} {
		all = append(all, terms(t.kind, t.value)...)
	}
	return all
}

// TraceID is the id of the trace in a W3C traceparent, or "".
func TraceID(traceParent string) string {
	parts := strings.Split(traceParent, "-")
	if len(parts) < 4 || len(parts[1]) != 32 {
		return ""
	}
	return parts[1]
}
