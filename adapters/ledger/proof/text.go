package proof

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport/sallyport"
)

// Statement says in words what a proof proves, and what it does not.
type Statement struct {
	Call   string   `json:"call"`
	Proves []string `json:"proves"`
	Not    []string `json:"does_not_prove"`
}

// sayTool names the tool of a call, where an operator has named it.
func (l Leaf) sayTool() string {
	if _, hidden := l.Commitments["tool"]; hidden {
		return "a tool that was not in the catalogue: the leaf commits to its name"
	}
	return "tool " + shown(l.Tool)
}

// sayWord is a word of the leaf, or what stands for one that an agent made up.
func (l Leaf) sayWord(name, word string) string {
	if _, hidden := l.Commitments[name]; hidden {
		return "(a " + name + " that the leaf commits to)"
	}
	return shown(word)
}

// say describes a leaf in a sentence.
func (l Leaf) say() string {
	at := "at " + l.Time + " "
	switch l.Kind {
	case sallyport.EntryReceived:
		return at + "the gateway received the call of agent " + shown(l.Agent) + " for " + l.sayTool()
	case sallyport.EntryIntent:
		return at + fmt.Sprintf("it was made precise: %s %s in %s, by the tool with the digest %s", l.sayWord("action", l.Action), l.sayWord("resource", l.Resource), l.sayWord("namespace", l.Namespace), l.ToolDigest)
	case sallyport.EntryDecision:
		return at + fmt.Sprintf("policy of revision %s said %s%s", shown(l.Revision), l.Effect, because(l.Reasons))
	case sallyport.EntryPlan:
		return at + "it was planned, and the leaf commits to the plan"
	case sallyport.EntryBallot:
		return at + fmt.Sprintf("people were asked, on ballot %s", l.Ballot)
	case sallyport.EntryVote:
		return at + fmt.Sprintf("a vote counted: %s, by %s, with evidence of the class %s, on ballot %s", l.Verdict, shown(l.Person), l.Evidence, l.Ballot)
	case sallyport.EntryRefusal:
		return at + fmt.Sprintf("a vote was refused: %s", shown(l.Refusal))
	case sallyport.EntryStart:
		return at + l.sayStart()
	case sallyport.EntryOutcome:
		return at + "it ended as " + l.State + because(some(l.Code))
	default:
		return at + l.sayBeside()
	}
}

func (l Leaf) sayStart() string {
	s := "a run was about to act, by runner " + shown(l.Runner)
	if l.Image != "" {
		s += ", with image " + l.Image
	}
	if l.Place != "" {
		s += ", in " + l.Place
	}
	if len(l.People) > 0 {
		s += fmt.Sprintf(", with the approval of %d people", len(l.People))
	}
	return s
}

func (l Leaf) sayBeside() string {
	switch l.Kind {
	case sallyport.EntryDrift:
		return "drift: its intent or plan was no longer the recorded one"
	case sallyport.EntryPlaced:
		return "it ran in " + shown(l.Place) + " with the uid " + shown(l.UID) + because(some(l.Image))
	case sallyport.EntryStop:
		if l.Freeze != "" {
			return "freeze " + shown(l.Freeze) + " ordered it to stop"
		}
		return "a person ordered it to stop"
	case sallyport.EntryErasure:
		return "its contents were erased"
	case sallyport.EntryFreeze:
		return "a freeze began of " + sallyport.Freeze{Agent: l.Agent, Tool: l.Tool, Namespace: l.Namespace}.Scope()
	case sallyport.EntryLift:
		return "the freeze was lifted"
	default:
		return "a " + string(l.Kind) + " was recorded"
	}
}

func some(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func because(codes []string) string {
	if len(codes) == 0 {
		return ""
	}
	return " (" + sallyport.Visible(strings.Join(codes, ", ")) + ")"
}

// shown is a value of a leaf: what is committed to is not shown.
func shown(s string) string {
	const prefix, digits = "hmac-sha256:", 2 * sha256.Size
	if strings.HasPrefix(s, prefix) && len(s) == len(prefix)+digits {
		return sallyport.Visible(s[:len(prefix)+12]) + "…"
	}
	return sallyport.Visible(s)
}

// sayEntry describes what an entry adds to its leaf, for readers who may see it.
func sayEntry(e sallyport.Entry) string {
	switch {
	case e.Vote != nil:
		return "  that was " + sallyport.Visible(e.Vote.Person) + " (" + sallyport.Visible(e.Vote.Account.Subject) + " of " + sallyport.Visible(e.Vote.Account.Issuer) + ")"
	case e.Intent != nil:
		return "  its object was " + sallyport.Visible(e.Intent.Name) + ", and the agent's owner " + sallyport.Visible(e.Intent.Agent.Owner)
	case e.Start != nil && len(e.Start.People) > 0:
		return "  those were " + sallyport.Visible(strings.Join(e.Start.People, ", "))
	case e.Stop != nil:
		return "  that was " + sallyport.Visible(e.Stop.By)
	case e.Erasure != nil:
		return "  by " + sallyport.Visible(e.Erasure.By) + ": " + sallyport.Visible(e.Erasure.Reason)
	default:
		return ""
	}
}

// limits says what the proof does not show.
func (c *fileCheck) limits() []string {
	not := []string{
		"that the times are right: they are the gateway's own",
		"that the gateway shows every reader the same log: compare the checkpoint with one from another source (sallyport verify --tiles with --from)",
		fmt.Sprintf("that nothing was added to it after leaf %d of the log", c.tree.N-1),
		"that nothing was done that did not pass the gateway",
	}
	if !c.opened {
		not = append(not, "who the people are, what the arguments, plans and results were: the file holds commitments to them, and not themselves")
	}
	for _, class := range sallyport.EvidenceClasses() {
		voted := slices.ContainsFunc(c.leaves, func(l Leaf) bool { return l.Kind == sallyport.EntryVote && l.Evidence == string(class) })
		if limit := c.limit(class); voted && limit != "" {
			not = append(not, limit)
		}
	}
	if c.opened && c.o.SignedCall == nil {
		not = append(not, "that the API signed the call: give its public keys to have that checked")
	}
	return not
}

// limit says what the proof does not show of votes of a class.
func (c *fileCheck) limit(class sallyport.EvidenceClass) string {
	switch class {
	case sallyport.TemporalPrincipal:
		return "that votes of the class temporal-principal were cast: they rest on the Temporal server's history, which is not in the file"
	case sallyport.IDPSigned:
		const limit = "that the identity provider signed the votes of the class idp-signed: "
		switch {
		case !c.opened || c.o.SignedVote == nil:
			return limit + "their tokens were not verified"
		case !c.o.ProviderKeys:
			return limit + "the keys that verify them are on the log's word; give the keys that the provider published (--people-keys)"
		}
	case sallyport.APIAttested:
		if !c.opened || c.o.Attestation == nil {
			return "that votes of the class api-attested were cast: they rest on the API's word"
		}
	}
	return ""
}
