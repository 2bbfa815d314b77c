package sallyport_test

import (
	"testing"

	"github.com/sallyport/sallyport"
)

func TestEvidenceKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range []sallyport.Evidence{
		{Class: sallyport.TemporalPrincipal, EventID: 1},
		{Class: sallyport.TemporalPrincipal, EventID: 11},
		{Class: sallyport.APIAttested, Token: "a"},
		{Class: sallyport.APIAttested, Token: "event/1"},
		{Class: sallyport.IDPSigned},
	} {
		if k := e.Key(); seen[k] || k == "" {
			t.Errorf("key %q of %+v is another's", k, e)
		}
		seen[e.Key()] = true
	}
}
