package proof

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
)

// TestLimitsOfEvidence: a proof names each class of evidence that was not
// verified, so that an auditor does not take the log's word for the voter's.
func TestLimitsOfEvidence(t *testing.T) {
	verifiers := Options{
		SignedVote: func(sallyport.Vote, sallyport.Ballot) error { return nil }, ProviderKeys: true,
		Attestation: func(string) (sallyport.Attestation, error) { return sallyport.Attestation{}, nil },
	}
	logsKeys := verifiers
	logsKeys.ProviderKeys = false
	for _, class := range sallyport.EvidenceClasses() {
		for name, tt := range map[string]struct {
			opened   bool
			options  Options
			verified bool
		}{
			"Closed":    {opened: false, options: verifiers},
			"NoKeys":    {opened: true},
			"LogsKeys":  {opened: true, options: logsKeys, verified: class == sallyport.APIAttested},
			"Verifiers": {opened: true, options: verifiers, verified: class != sallyport.TemporalPrincipal},
		} {
			t.Run(string(class)+"/"+name, func(t *testing.T) {
				c := fileCheck{opened: tt.opened, o: tt.options, leaves: []Leaf{{Kind: sallyport.EntryVote, Evidence: string(class)}}}
				limits := strings.Join(c.limits(), "\n")
				if named := strings.Contains(limits, "class "+string(class)); named == tt.verified {
					t.Errorf("verified %t, and it says:\n%s", tt.verified, limits)
				}
			})
		}
	}
}
