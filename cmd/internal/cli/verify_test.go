package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/cmd/internal/cli"
)

// TestShowReportOfVotes: that a vote verifies with the key beside it does not make
// the key the identity provider's.
func TestShowReportOfVotes(t *testing.T) {
	const provider, ledgers = "2 votes carry the identity provider's signature\n", "the identity provider signed them is not proven"
	for flag, want := range map[string]string{
		"--people-keys=jwks.json":             provider,
		"--people-issuer=https://idp.example": ledgers,
		"--vote-audience=votes":               ledgers,
	} {
		var trust cli.Trust
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		trust.Flags(flags)
		if err := flags.Parse([]string{flag}); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := trust.ShowReport(&out, proof.Report{SignedVotes: 2}); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), provider) + strings.Count(out.String(), ledgers); n != 1 || !strings.Contains(out.String(), want) {
			t.Errorf("with %s it says %q, want %q", flag, &out, want)
		}
	}
}
