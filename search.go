package sallyport

import (
	"strings"
	"time"
	"unicode/utf8"
)

// A search term is a kind, a colon and a value, such as person:bob. A search
// finds a call by its terms, its agent, tool, namespace, state and time. An
// erasure removes a call's terms with its contents.

// searchTerms are those of a kind whose values are not empty.
func searchTerms(kind string, values ...string) (all []string) {
	for _, v := range values {
		if v != "" {
			all = append(all, kind+":"+Searchable(v))
		}
	}
	return all
}

// maxSearchable bounds a text that is indexed as it is, in bytes.
const maxSearchable = 256

// Searchable is a text that every database can index: itself, or the digest of a
// text that is too long or not valid UTF-8. Different texts stay different.
func Searchable(text string) string {
	if len(text) > maxSearchable || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return string(NewDigest("sallyport/searchable/v1", []byte(text)))
	}
	return text
}

// Query selects calls, newest first. Zero fields select everything.
type Query struct {
	Voter     *Person // whose vote they wait for: then the oldest are first
	ID        string
	States    []State
	Agent     string
	Tool      string
	Namespace string    // of the target
	Name      string    // of the target
	Person    string    // voted, or stopped the call
	Digest    Digest    // of the intent, the plan, the ballot, the tool's manifest or its image
	TraceID   string    // as in the request's traceparent
	Since     time.Time // received at or after
	Before    time.Time // received before
	Cursor    string    // from an earlier Page
	Limit     int       // 1 to 500; 0 means 50
}

// Page is a part of the calls that a query selects. It may have fewer than the
// query's limit where there are more.
type Page struct {
	Records []Summary
	Cursor  string // "" on the last page
}

// Terms are the search terms that the entry adds to its call.
func (e Entry) Terms() []string {
	switch e.Kind { //nolint:exhaustive // nothing else has any
	case EntryReceived:
		return append(searchTerms("trace", TraceID(e.Call.TraceParent)), searchTerms("same", string(e.Call.Same))...)
	case EntryIntent:
		return append(searchTerms("name", e.Intent.Name), searchTerms("digest", string(e.Intent.Digest()), string(e.Intent.Tool.Digest))...)
	case EntryDecision:
		if e.Plan != nil {
			return searchTerms("digest", string(e.Plan.Digest()))
		}
	case EntryPlan:
		return searchTerms("digest", string(e.Plan.Digest()))
	case EntryBallot:
		return searchTerms("digest", string(e.Ballot.Digest()))
	case EntryVote:
		return searchTerms("person", e.Vote.Person)
	case EntryStop:
		return searchTerms("person", e.Stop.By)
	case EntryStart:
		_, image, _ := strings.Cut(e.Start.Image, "@")
		return searchTerms("digest", image)
	}
	return nil
}

// Terms are the search terms that a call must have for the query to select it.
func (q Query) Terms() []string {
	var all []string
	for _, t := range []struct{ kind, value string }{
		{"person", q.Person}, {"name", q.Name}, {"digest", string(q.Digest)}, {"trace", q.TraceID},
	} {
		all = append(all, searchTerms(t.kind, t.value)...)
	}
	return all
}
