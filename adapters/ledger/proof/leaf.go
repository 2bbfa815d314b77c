package proof

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

const (
	leafVersionPrefix = "sallyport/leaf/v"
	lastLeafVersion   = 3
	leafVersion       = "sallyport/leaf/v3"
	// secondLeafVersion shows what an agent names as tool, action, resource and
	// namespace, and a tool as code, whatever it is.
	secondLeafVersion = "sallyport/leaf/v2"
	// firstLeafVersion does not show why a call did not succeed either.
	firstLeafVersion = "sallyport/leaf/v1"
	// MaxLeaf is what a tlog-tiles entry bundle can hold of a leaf, in bytes.
	MaxLeaf = 65535
	// maxShown bounds a value that a leaf shows, in bytes.
	maxShown = 256
	// SaltSize is the length of a call's salt, in bytes.
	SaltSize = 32
)

// Leaf is what the log says of one entry for ever: enough to see that rules
// were kept, and no value that is personal or secret. What a field can't show
// is committed to.
type Leaf struct {
	Version string              `json:"version"`
	Call    string              `json:"call"`
	Number  int                 `json:"number"`
	Kind    sallyport.EntryKind `json:"kind"`
	Key     string              `json:"key,omitempty"` // sealed: it can be a person's id
	Time    string              `json:"time"`          // RFC 3339, UTC

	Agent      string           `json:"agent,omitempty"`
	Tool       string           `json:"tool,omitempty"`
	ToolDigest sallyport.Digest `json:"tool_digest,omitempty"`
	Action     string           `json:"action,omitempty"`
	Resource   string           `json:"resource,omitempty"`
	Namespace  string           `json:"namespace,omitempty"`

	Effect   string   `json:"effect,omitempty"`
	Reasons  []string `json:"reasons,omitempty"` // codes
	Revision string   `json:"revision,omitempty"`

	Ballot   sallyport.Digest `json:"ballot,omitempty"` // has a random nonce in it
	Person   string           `json:"person,omitempty"` // a pseudonym
	Verdict  string           `json:"verdict,omitempty"`
	Evidence string           `json:"evidence,omitempty"` // its class
	Refusal  string           `json:"refusal,omitempty"`  // its code

	People []string `json:"people,omitempty"` // pseudonyms
	Runner string   `json:"runner,omitempty"`
	State  string   `json:"state,omitempty"`
	Code   string   `json:"code,omitempty"` // why it did not succeed

	Image  string `json:"image,omitempty"` // by digest
	Place  string `json:"place,omitempty"`
	UID    string `json:"uid,omitempty"`    // the Job's
	Freeze string `json:"freeze,omitempty"` // id of the one that stopped the call

	Commitments map[string]string `json:"commitments"`
}

// LeafOf is the leaf of a call's entry, in canonical JSON. It is a function
// of its arguments alone, so that a leaf can be made again from the store and
// compared.
func LeafOf(e sallyport.Entry, number int, salt []byte) ([]byte, error) {
	return LeafAs(leafVersion, e, number, salt)
}

// LeafAs is [LeafOf] as a version of this package made it.
func LeafAs(version string, e sallyport.Entry, number int, salt []byte) ([]byte, error) {
	whole, err := Encode(e)
	if err != nil {
		return nil, err
	}
	s := sealer{salt: salt}
	l := Leaf{
		Version: version, Call: e.CallID, Number: number, Kind: e.Kind, Key: s.key(e.Key),
		Time:        e.At.UTC().Format(time.RFC3339Nano),
		Commitments: map[string]string{"entry": s.seal("entry", whole)},
	}
	s.fill(&l, e)
	if s.err != nil {
		return nil, s.err
	}
	b, err := strict.Canonical(l)
	if err != nil {
		return nil, err
	}
	if len(b) > MaxLeaf {
		return nil, sallyport.Errorf(sallyport.Invalid, sallyport.CodeEntryTooLarge,
			"the leaf of the %s of call %s would have %d bytes and may have %d", e.Kind, e.CallID, len(b), MaxLeaf)
	}
	return b, nil
}

// ParseLeaf reads a leaf, which must be one that some version of this package
// wrote. For one of a later version the error is [ErrNewer], and the leaf has
// its version and its call alone.
func ParseLeaf(b []byte) (Leaf, error) {
	var l Leaf
	canonical, err := strict.JSON(b, strict.TakenLimits)
	if err == nil && !bytes.Equal(canonical, b) {
		err = fmt.Errorf("it is not canonical")
	}
	if err == nil {
		var v struct {
			Version string `json:"version"`
			Call    string `json:"call"`
		}
		if err = json.Unmarshal(b, &v); err == nil {
			_, err = versionOf(v.Version)
		}
		if errors.Is(err, ErrNewer) {
			return Leaf{Version: v.Version, Call: v.Call}, err
		}
	}
	if err == nil {
		err = strict.Decode(b, &l)
	}
	if err != nil {
		return l, fmt.Errorf("it can't be read: %w", err)
	}
	return l, nil
}

// fill sets what the entry's kind has to show and to commit to.
func (s *sealer) fill(l *Leaf, e sallyport.Entry) {
	switch e.Kind {
	case sallyport.EntryReceived:
		l.Agent, l.Tool = s.show("agent", e.Call.AgentID), s.word(l, "tool", e.Call.Tool, known(e).Tool)
		s.commit(l, "arguments", e.Call.Arguments)
		s.commit(l, "claims", e.Call.Stated)
	case sallyport.EntryIntent:
		s.fillIntent(l, *e.Intent, known(e))
	case sallyport.EntryDecision:
		s.fillDecision(l, *e.Decision)
		if e.Plan != nil {
			s.commit(l, "plan", e.Plan)
		}
	case sallyport.EntryPlan:
		s.commit(l, "plan", e.Plan)
		s.commit(l, "plan_digest", e.Plan.Digest())
	case sallyport.EntryBallot:
		l.Ballot = e.Ballot.Digest()
		s.commit(l, "intent_digest", e.Ballot.Intent)
		s.commit(l, "plan_digest", e.Ballot.Plan)
	case sallyport.EntryVote:
		l.Ballot = sallyport.Digest(s.show("ballot", string(e.Vote.Ballot)))
		l.Person = s.pseudonym(e.Vote.Person)
		l.Verdict = s.show("verdict", string(e.Vote.Verdict))
		l.Evidence = s.show("evidence_class", string(e.Vote.Evidence.Class))
		s.commit(l, "evidence", e.Vote.Evidence)
	case sallyport.EntryRefusal:
		l.Refusal = s.show("code", e.Refusal.Code)
		l.Evidence = s.show("evidence_class", string(e.Refusal.Evidence.Class))
		s.commit(l, "account", e.Refusal.Account)
		s.commit(l, "evidence", e.Refusal.Evidence)
	case sallyport.EntryStart:
		s.fillStart(l, *e.Start)
	case sallyport.EntryOutcome:
		l.State = string(e.Outcome.State)
		if f := e.Outcome.Error; f != nil && l.Version != firstLeafVersion {
			l.Code = s.word(l, "code", f.Code, known(e).Code)
		}
		s.commit(l, "result", e.Outcome.Result)
		s.commit(l, "error", e.Outcome.Error)
	default:
		s.fillBeside(l, e)
	}
}

// fillBeside is fill for what is beside a call's way from its receipt to its
// outcome.
func (s *sealer) fillBeside(l *Leaf, e sallyport.Entry) {
	switch e.Kind {
	case sallyport.EntryDrift:
		s.commit(l, "drift", e.Drift)
	case sallyport.EntryPlaced:
		l.Place, l.UID, l.Image = s.show("place", e.Placed.Place), s.show("uid", e.Placed.UID), s.show("image", e.Placed.Image)
	case sallyport.EntryStop:
		l.Person, l.Freeze = s.pseudonym(e.Stop.By), s.show("freeze", e.Stop.Freeze)
	case sallyport.EntryErasure:
		l.Person = s.pseudonym(e.Erasure.By)
	case sallyport.EntryFreeze:
		l.Person = s.pseudonym(e.Freeze.By)
		l.Agent, l.Tool, l.Namespace = s.show("agent", e.Freeze.Agent), s.show("tool", e.Freeze.Tool), s.show("namespace", e.Freeze.Namespace)
	case sallyport.EntryLift:
		l.Person = s.pseudonym(e.Lift.By)
	default: // fill has it
	}
}

// known says which words of an entry a leaf shows: none, where nothing is said.
func known(e sallyport.Entry) sallyport.Known {
	if e.Known == nil {
		return sallyport.Known{}
	}
	return *e.Known
}

// word shows an operator's word and a code of the gateway, and commits to those of
// agents and tools.
func (s *sealer) word(l *Leaf, name, v string, known bool) string {
	switch {
	case l.Version != firstLeafVersion && l.Version != secondLeafVersion && !known:
		if v != "" {
			s.commit(l, name, v)
		}
		return ""
	case name == "tool":
		return s.showTool(v)
	}
	return s.show(name, v)
}

func (s *sealer) fillIntent(l *Leaf, i sallyport.Intent, known sallyport.Known) {
	l.Agent, l.Tool = s.show("agent", i.Agent.ID), s.word(l, "tool", i.Tool.Name, known.Tool)
	l.ToolDigest = sallyport.Digest(s.show("tool_digest", string(i.Tool.Digest)))
	l.Action, l.Resource = s.word(l, "action", i.Action, known.Action), s.word(l, "resource", i.Resource, known.Resource)
	l.Namespace = s.word(l, "namespace", i.Namespace, known.Namespace)
	s.commit(l, "intent", i)
	s.commit(l, "intent_digest", i.Digest())
	s.commit(l, "arguments", i.Arguments)
	s.commit(l, "claims", i.Stated)
	s.commit(l, "name", i.Name)
}

func (s *sealer) fillDecision(l *Leaf, d sallyport.Decision) {
	l.Effect, l.Revision = s.show("effect", string(d.Effect)), s.show("revision", d.Revision)
	if d.Input != "" {
		s.commit(l, "input", d.Input)
	}
	for _, r := range d.Reasons {
		l.Reasons = append(l.Reasons, s.show("code", r.Code))
	}
}

func (s *sealer) fillStart(l *Leaf, start sallyport.Start) {
	l.Effect, l.Revision = s.show("effect", string(start.Effect)), s.show("revision", start.Revision)
	l.Runner, l.Image, l.Place = s.show("runner", start.Runner), s.show("image", start.Image), s.show("place", start.Place)
	l.Ballot = sallyport.Digest(s.show("ballot", string(start.Ballot)))
	for _, p := range start.People {
		l.People = append(l.People, s.pseudonym(p))
	}
	s.commit(l, "intent_digest", start.Intent)
	s.commit(l, "plan_digest", start.Plan)
}

// sealer makes commitments and pseudonyms under one call's salt, and keeps
// the first error.
type sealer struct {
	salt []byte
	err  error
}

// seal is HMAC-SHA256(salt, domain 0x00 value). No JSON has a zero byte in
// it, so that a domain and a value can't be taken for others.
func (s *sealer) seal(domain string, value []byte) string {
	h := hmac.New(sha256.New, s.salt)
	h.Write([]byte("sallyport/commitment/v1/" + domain))
	h.Write([]byte{0})
	h.Write(value)
	return "hmac-sha256:" + hex.EncodeToString(h.Sum(nil))
}

// commit adds a commitment to v's canonical JSON. What JSON can write and
// RFC 8785 can't make canonical, such as a tool's 1e999, is committed to as
// it stands.
func (s *sealer) commit(l *Leaf, name string, v any) {
	b, err := Encode(v)
	if err != nil {
		s.err = errors.Join(s.err, err)
		return
	}
	c := jsontext.Value(bytes.Clone(b))
	if err := c.Canonicalize(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err == nil {
		b = c
	}
	l.Commitments[name] = s.seal(name, b)
}

// show is v where it is short, and a commitment to it where it isn't, so that
// no value can keep an entry out of the log by its length.
func (s *sealer) show(domain, v string) string {
	if len(v) <= maxShown {
		return v
	}
	return s.seal(domain, []byte(v))
}

// showTool shows what can be a tool's name. What an agent asked for that
// can't be one is text of its own, and committed to.
func (s *sealer) showTool(name string) string {
	ok := name != "" && len(name) <= 64
	for _, c := range []byte(name) {
		ok = ok && (c == '_' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9')
	}
	if ok {
		return name
	}
	return s.seal("tool", []byte(name))
}

// key is the same for one key within a call, so that a repeated entry is
// found by it.
func (s *sealer) key(key string) string {
	if key == "" {
		return ""
	}
	return s.seal("key", []byte(key))
}

// SealKey is an entry's key as its leaf has it, sealed with the call's salt.
func SealKey(key string, salt []byte) string { return (&sealer{salt: salt}).key(key) }

// pseudonym is the same for one person within a call, and differs between
// calls.
func (s *sealer) pseudonym(person string) string { return s.seal("person", []byte(person)) }
