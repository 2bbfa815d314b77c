package client

import (
	"errors"
	"fmt"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// Covered is what a vote on a call covers: the ballot, and the intent and the plan
// that the ballot names. None of it is on the gateway's word, because [Cover] has
// recomputed each digest.
type Covered struct {
	Ballot sallyport.Digest // what a vote names
	Terms  sallyport.Terms
	Intent sallyport.Intent // redacted arguments are commitments
	Plan   *sallyport.Plan  // nil where the tool plans nothing
}

// Cover recomputes the digests of the ballot that the call with this id waits for,
// and returns what they cover. It refuses another call's ballot, an intent or a
// plan that the ballot does not name, and other digests beside them.
//
// A program that votes MUST show the values that Cover returns and sign the digest
// that it returns: all else in a call is on the gateway's word.
func Cover(id string, call Call) (Covered, error) {
	if call.Ballot == nil || call.Intent == nil || call.Covered == nil || call.Covered.Ballot == nil {
		return Covered{}, fmt.Errorf("the gateway does not give the bytes that the ballot of call %s is over, so that nothing can be checked: "+
			"ask as a person, and ask a gateway that is not older than this program", id)
	}
	given, ballot := call.Covered, *call.Covered.Ballot
	c := Covered{Ballot: ballot.Digest()}
	if ballot.CallID != id {
		return Covered{}, otherCall("ballot", ballot.CallID, id)
	}
	var plan, planBeside sallyport.Digest
	if given.Plan != "" {
		plan = sallyport.PlanDigest([]byte(given.Plan))
	}
	if call.Plan != nil {
		planBeside = call.Plan.Digest
	}
	for _, d := range []struct {
		of        string
		got, want sallyport.Digest
	}{
		{"intent", sallyport.IntentDigest([]byte(given.Intent)), ballot.Intent},
		{"intent", call.Intent.Digest, ballot.Intent},
		{"plan", plan, ballot.Plan},
		{"plan", planBeside, ballot.Plan},
		{"ballot", call.Ballot.Digest, c.Ballot},
	} {
		if d.got != d.want {
			return Covered{}, fmt.Errorf("the digest of the %s of call %s does not hold: %q is not %q; "+
				"the gateway shows another %s than the one that is voted on: do not vote there, and tell its operators", d.of, id, d.got, d.want, d.of)
		}
	}
	if err := c.read(id, given.Intent, given.Plan, ballot.Terms); err != nil {
		return Covered{}, err
	}
	if c.Intent.CallID != id {
		return Covered{}, otherCall("intent", c.Intent.CallID, id)
	}
	return c, nil
}

func otherCall(of, got, want string) error {
	return fmt.Errorf("the %s is of call %q, not of call %q, which you asked for: do not vote at this gateway, and tell its operators", of, got, want)
}

// read takes the bytes apart. Members that this program does not know are an error:
// they are covered, and it could not show them.
func (c *Covered) read(id, intent, plan, terms string) error {
	decode := func(of, text string, to any) error {
		if err := strict.Decode([]byte(text), to); err != nil {
			return fmt.Errorf("the %s of call %s can't be shown; if the gateway is newer than this program, vote with a newer one: %w", of, id, err)
		}
		return nil
	}
	err := errors.Join(decode("intent", intent, &c.Intent), decode("terms", terms, &c.Terms))
	if plan != "" {
		c.Plan = &sallyport.Plan{}
		err = errors.Join(err, decode("plan", plan, c.Plan))
	}
	return err
}
