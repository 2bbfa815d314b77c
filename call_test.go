package sallyport_test

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
)

func TestCallID(t *testing.T) {
	id := sallyport.CallID([16]byte{0xff, 1, 2})
	if len(id) != 26 || !sallyport.ValidCallID(id) {
		t.Fatalf("CallID = %q", id)
	}
	for name, tt := range map[string]struct{ reason, id string }{
		"Empty":       {"nothing names nothing", ""},
		"Upper":       {"two spellings would be two workflows", strings.ToUpper(id)},
		"Short":       {"it has 128 bits", id[:25]},
		"Long":        {"it has 128 bits", id + "a"},
		"StrayBits":   {"the last character has two bits to spare; two spellings would be two workflows", id[:25] + "b"},
		"Alphabet":    {"base32 has no 1", "1" + id[1:]},
		"Kelvin":      {"a letter whose lower or upper case is another's", "ſ" + id[1:]},
		"Slash":       {"it goes into paths", "../" + id[3:]},
		"LineFeed":    {"decoders skip it", id[:13] + "\n" + id[13:]},
		"OnlyPadding": {"decoders skip it", strings.Repeat("=", 26)},
	} {
		t.Run(name, func(t *testing.T) {
			if sallyport.ValidCallID(tt.id) {
				t.Errorf("%q is taken for an id: %s", tt.id, tt.reason)
			}
		})
	}
}
