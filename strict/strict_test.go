package strict_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

func TestJSON(t *testing.T) {
	for name, tt := range map[string]struct {
		reason, in, want, pointer string
	}{
		"Canonical":        {reason: "names are sorted and space is gone", in: ` {"b": 1.0, "a": "\u0041"} `, want: `{"a":"A","b":1}`},
		"DuplicateName":    {reason: "two readers could take two values", in: `{"a":1,"a":2}`, pointer: "/a"},
		"EscapedDuplicate": {reason: "an escape must not hide a duplicate", in: `{"a":1,"\u0061":2}`, pointer: "/a"},
		"InvalidUTF8":      {reason: "replacement characters collide", in: "{\"a\":\"\xff\"}", pointer: "/a"},
		"LoneSurrogate":    {reason: "it is no character", in: `{"a":"\ud800"}`, pointer: "/a"},
		"Trailing":         {reason: "the second value could be another call", in: `{} {}`, pointer: ""},
		"Truncated":        {reason: "half a call is none", in: `{"a":`, pointer: "/a"},
		"Empty":            {reason: "no body is no call", in: ``, pointer: ""},
		"ByteOrderMark":    {reason: "RFC 8259 forbids it", in: "\ufeff{}", pointer: ""},
		"UnsafeInteger":    {reason: "2^53 is where doubles begin to round", in: `{"n":9007199254740992}`, pointer: "/n"},
		"NegativeUnsafe":   {reason: "the same below zero", in: `{"n":-9007199254740993}`, pointer: "/n"},
		"LargestInteger":   {reason: "2^53-1 is exact", in: `{"n":9007199254740991}`, want: `{"n":9007199254740991}`},
		"DisguisedInteger": {reason: "an exponent must not get round the limit", in: `{"n":1e30}`, pointer: "/n"},
		"Overflow":         {reason: "it is infinite for most", in: `{"n":[1e400]}`, pointer: "/n/0"},
		"TooDeep":          {reason: "recursion is paid for by us", in: strings.Repeat("[", 40) + strings.Repeat("]", 40), pointer: strings.Repeat("/0", 32)},
		"TooManyTokens":    {reason: "so is every token", in: "[" + strings.Repeat("0,", 20000) + "0]", pointer: "/4095"},
		"NotANumber":       {reason: "it is no JSON", in: `{"n":NaN}`, pointer: "/n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := strict.JSON([]byte(tt.in), strict.DefaultLimits)
			if tt.want != "" {
				if err != nil || string(got) != tt.want {
					t.Fatalf("JSON(%q) = %s, %v; want %s: %s", tt.in, got, err, tt.want, tt.reason)
				}
				return
			}
			if sallyport.KindOf(err) != sallyport.Invalid {
				t.Fatalf("JSON(%.60q) = %s, %v; want it refused: %s", tt.in, got, err, tt.reason)
			}
			if p := sallyport.AsError(err).Fields[0].Pointer; p != tt.pointer {
				t.Errorf("pointer %q, want %q (%v)", p, tt.pointer, err)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	type body struct {
		Tool  string `json:"tool"`
		Count int    `json:"count"`
	}
	for name, tt := range map[string]struct{ in, pointer string }{
		"Unknown":   {`{"tool":"x","extra":1}`, "/extra"},
		"OtherCase": {`{"Tool":"x"}`, "/Tool"},
		"WrongType": {`{"count":"3"}`, "/count"},
		"Fraction":  {`{"count":1.5}`, "/count"},
	} {
		t.Run(name, func(t *testing.T) {
			var b body
			err := strict.Decode([]byte(tt.in), &b)
			if sallyport.KindOf(err) != sallyport.Invalid || sallyport.AsError(err).Fields[0].Pointer != tt.pointer {
				t.Errorf("Decode(%s) = %v; want it refused at %s", tt.in, err, tt.pointer)
			}
		})
	}
	var b body
	if err := strict.Decode([]byte(`{"tool":"x","count":2}`), &b); err != nil || b != (body{"x", 2}) {
		t.Errorf("Decode = %+v, %v", b, err)
	}
}

func TestYAML(t *testing.T) {
	type config struct {
		Name string `yaml:"name"`
		Port int    `yaml:"port"`
	}
	for name, tt := range map[string]struct{ in, want string }{
		"UnknownKey":     {"name: a\nprot: 1\n", "f.yaml:2: field prot not found in type strict_test.config"},
		"DuplicateKey":   {"name: a\nname: b\n", `f.yaml:2: mapping key "name" already defined at line 1`},
		"WrongType":      {"port: many\n", "f.yaml:1: cannot unmarshal !!str `many` into int"},
		"SecondDocument": {"name: a\n---\nname: b\n", "f.yaml:2: there is a second document"},
		"Empty":          {"", "f.yaml:1: the file is empty"},
		"Syntax":         {"name: [\n", "f.yaml:1: did not find expected node content"},
	} {
		t.Run(name, func(t *testing.T) {
			var c config
			err := strict.YAML("f.yaml", []byte(tt.in), &c)
			if err == nil {
				t.Fatal("accepted")
			}
			if d := cmp.Diff(tt.want, err.Error()); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"tool":"x","arguments":{"a":[1,2.5,null,true]}}`))
	f.Add([]byte(`{"a":1,"\u0061":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := strict.JSON(data, strict.DefaultLimits)
		if err != nil {
			if sallyport.KindOf(err) != sallyport.Invalid {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		twice, err := strict.JSON(once, strict.DefaultLimits)
		if err != nil || string(once) != string(twice) {
			t.Fatalf("canonical form is not stable: %q, then %q, %v", once, twice, err)
		}
	})
}
