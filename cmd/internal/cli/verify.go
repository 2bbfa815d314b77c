package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/adapters/oidc"
	"github.com/sallyport/sallyport/adapters/oidc/jwks"
)

// VoteClient is the application as which people log in to vote. Its ID tokens
// are for votes alone.
const VoteClient = "sallyport-approve"

// Trust is what flags say of the public keys and checkpoints that a log, or a
// proof of it, is verified with.
type Trust struct {
	flags  *pflag.FlagSet
	keys   []string
	kept   []string // files of checkpoints
	people string   // file of keys
	votes  oidc.Kept
}

// KeyFlag adds the flag for the log's public keys.
func (t *Trust) KeyFlag(f *pflag.FlagSet) {
	t.flags = f
	DevFlag(f)
	f.StringArrayVar(&t.keys, "key", nil, "public `key`, or a file that holds one; may be repeated; KEY@SIZE for one that was replaced at that size of the log (default ledger.pub of the development instance)")
}

// DevFlag adds the flag for the development instance, whose files are the
// defaults of others.
func DevFlag(f *pflag.FlagSet) {
	if f.Lookup("dev-dir") == nil {
		f.String("dev-dir", ".sallyport", "`directory` of the development instance")
	}
}

// InDev is a file of the development instance that the flags say.
func InDev(f *pflag.FlagSet, file string) string {
	return filepath.Join(f.Lookup("dev-dir").Value.String(), file)
}

// Flags adds the flags of a verification.
func (t *Trust) Flags(f *pflag.FlagSet) {
	t.KeyFlag(f)
	f.StringArrayVar(&t.kept, "from", nil, "`file` with a checkpoint that was kept elsewhere, which the log must extend; may be repeated")
	f.StringVar(&t.votes.Issuer, "people-issuer", "", "`URL` of the identity provider that signs votes")
	f.StringVar(&t.votes.Audience, "vote-audience", VoteClient, "audience of ID tokens that are votes, as the identity table has it")
	f.StringVar(&t.people, "people-keys", "", "`file` with the keys (JWKS) that the identity provider of people published")
}

// Verifiers verify the log's checkpoints.
func (t *Trust) Verifiers() (note.Verifiers, error) {
	given := t.keys
	if len(given) == 0 {
		given = []string{InDev(t.flags, "ledger.pub")}
	}
	keys := make([]string, len(given))
	for i, k := range given {
		var err error
		if keys[i], err = keyText(k); err != nil {
			return nil, fmt.Errorf("the file of the ledger's public key can't be read: %w", err)
		}
	}
	return proof.Verifiers(keys...)
}

// keyText is a key as it was given, or as the given file has it, with the size
// at which it was replaced.
func keyText(given string) (string, error) {
	if b, err := os.ReadFile(given); err == nil {
		return string(b), nil
	}
	file, size := given, ""
	if at := strings.LastIndexByte(given, '@'); at >= 0 {
		file, size = given[:at], given[at:]
	}
	b, err := os.ReadFile(file)
	switch {
	case err == nil:
		return strings.TrimSpace(string(b)) + size, nil
	case strings.Count(given, "+") >= 2: // as a key itself reads, and hardly a path
		return given, nil
	default:
		return "", err
	}
}

// Known are the checkpoints that were kept elsewhere.
func (t *Trust) Known() (all [][]byte, err error) {
	for _, file := range t.kept {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("the checkpoint can't be read: %w", err)
		}
		all = append(all, b)
	}
	return all, nil
}

// Votes says how votes are verified that an identity provider signed.
func (t *Trust) Votes() (oidc.Kept, error) {
	if t.people == "" {
		return t.votes, nil
	}
	b, err := os.ReadFile(t.people)
	if err != nil {
		return oidc.Kept{}, fmt.Errorf("the identity provider's keys can't be read: %w", err)
	}
	votes := t.votes
	if votes.Keys, err = jwks.Parse(b); err != nil {
		return oidc.Kept{}, fmt.Errorf("%s: %w", t.people, err)
	}
	return votes, nil
}

// ProviderKeys reports whether votes are verified with keys from the identity
// provider, and not with those that the log holds.
func (t *Trust) ProviderKeys() bool { return t.people != "" }

// ShowReport writes what the verification of a whole log found.
func (t *Trust) ShowReport(w io.Writer, r proof.Report) error {
	fmt.Fprintf(w, "%d leaves of %d calls, %d signed checkpoints\nroot hash %s\n", r.Leaves, r.Calls, r.Checkpoints, r.Root)
	switch {
	case r.SignedVotes > 0 && t.ProviderKeys():
		fmt.Fprintf(w, "%d votes carry the identity provider's signature\n", r.SignedVotes)
	case r.SignedVotes > 0:
		fmt.Fprintf(w, "%d votes carry a signature by keys for which the ledger alone vouches: that the identity provider signed them is not proven; "+
			"give the keys that it published (--people-keys)\n", r.SignedVotes)
	}
	if r.Unsigned > 0 {
		fmt.Fprintf(w, "the last %d leaves are not signed yet; the running gateway does so within moments\n", r.Unsigned)
	}
	for _, id := range r.Unfinished {
		fmt.Fprintf(w, "call %s started and has no outcome yet\n", id)
	}
	for _, id := range r.Erased {
		fmt.Fprintf(w, "call %s was erased: its leaves stand, its contents are gone\n", id)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "CHANGED: %s\n", f)
	}
	if !r.OK() {
		fmt.Fprintf(w, "the ledger is not as it was written: %d findings\n", len(r.Findings)+r.Suppressed)
		return ExitCode(1)
	}
	if r.Newer > 0 {
		return fmt.Errorf("%d leaves are of a version newer than this program, and what they say was not verified: verify the log with the version of the gateway that wrote it", r.Newer)
	}
	_, err := fmt.Fprintln(w, "nothing was changed, and nothing is missing between the first leaf and the last")
	return err
}
