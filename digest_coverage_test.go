package sallyport_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
)

// change is one value inside a struct made different.
type change struct {
	path  string
	value any
}

// changes fills every field of v's type and returns the filled value, and one
// copy for each leaf in which only that leaf differs. A new field is
// covered from the start.
func changes(t *testing.T, typ reflect.Type) (filled any, all []change) {
	t.Helper()
	base := reflect.New(typ).Elem()
	fill(t, base)
	for i, n := 0, leaves(base); i < n; i++ {
		other := reflect.New(typ).Elem()
		fill(t, other)
		at := i
		path := alter(t, other, &at, typ.Name())
		all = append(all, change{path, other.Interface()})
	}
	return base.Interface(), all
}

// leaf reports whether v is changed as a whole.
func leaf(v reflect.Value) bool {
	switch v.Interface().(type) {
	case time.Time, json.RawMessage, []byte:
		return true
	}
	return v.Kind() != reflect.Struct && v.Kind() != reflect.Slice
}

func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = noon
		return
	case *json.RawMessage:
		*x = json.RawMessage(`{"n":1}`)
		return
	case *[]byte:
		*x = []byte("x")
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, f := range v.Fields() {
			fill(t, f)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	default:
		t.Fatalf("a digest over a %s: teach this test what another one is", v.Type())
	}
}

// leaves counts what alter can change: each leaf, and each slice's length.
func leaves(v reflect.Value) int {
	if leaf(v) {
		return 1
	}
	n := 0
	if v.Kind() == reflect.Slice {
		n++
		for i := range v.Len() {
			n += leaves(v.Index(i))
		}
		return n
	}
	for _, f := range v.Fields() {
		n += leaves(f)
	}
	return n
}

// alter changes the leaf that at counts down to, and returns its path.
func alter(t *testing.T, v reflect.Value, at *int, path string) string {
	t.Helper()
	if leaf(v) {
		if *at == 0 {
			alterLeaf(t, v)
		}
		*at--
		return path
	}
	if v.Kind() == reflect.Slice {
		if *at == 0 {
			v.Set(v.Slice(0, v.Len()-1))
			*at--
			return path + ".length"
		}
		*at--
		for i := range v.Len() {
			if p := alter(t, v.Index(i), at, fmt.Sprintf("%s[%d]", path, i)); *at < 0 {
				return p
			}
		}
		return ""
	}
	for i := range v.NumField() {
		if p := alter(t, v.Field(i), at, path+"."+v.Type().Field(i).Name); *at < 0 {
			return p
		}
	}
	return ""
}

func alterLeaf(t *testing.T, v reflect.Value) {
	t.Helper()
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = x.Add(time.Nanosecond)
		return
	case *json.RawMessage:
		*x = json.RawMessage(`{"n":2}`)
		return
	case *[]byte:
		*x = []byte("y")
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("y")
	case reflect.Bool:
		v.SetBool(false)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(2)
	default:
		t.Fatalf("a digest over a %s", v.Type())
	}
}

// TestDigestsCoverEverything changes each field in turn. What people agree to
// and what the ledger commits to is all of it.
func TestDigestsCoverEverything(t *testing.T) {
	for name, tt := range map[string]struct {
		typ    reflect.Type
		digest func(any) sallyport.Digest
		free   []string // fields that the digest doesn't cover, as its comment says
	}{
		"Intent": {typ: reflect.TypeFor[sallyport.Intent](), digest: func(v any) sallyport.Digest { return v.(sallyport.Intent).Digest() }},
		"Plan":   {typ: reflect.TypeFor[sallyport.Plan](), digest: func(v any) sallyport.Digest { return v.(sallyport.Plan).Digest() }},
		"Ballot": {
			typ: reflect.TypeFor[sallyport.Ballot](), digest: func(v any) sallyport.Digest { return v.(sallyport.Ballot).Digest() },
			// The nonce stands for the wait and all that is known of it.
			free: []string{"Ballot.RunID", "Ballot.OpenedAt", "Ballot.ExpiresAt"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			filled, all := changes(t, tt.typ)
			base := tt.digest(filled)
			if !base.Valid() || base != tt.digest(filled) {
				t.Fatalf("digest %s", base)
			}
			seen := map[sallyport.Digest]string{base: "nothing"}
			freed := 0
			for _, c := range all {
				d := tt.digest(c.value)
				if slices.Contains(tt.free, c.path) {
					if d != base {
						t.Errorf("%s changes the digest, and its comment says that it doesn't", c.path)
					}
					freed++
					continue
				}
				if other, ok := seen[d]; ok {
					t.Errorf("a change of %s has the digest of a change of %s", c.path, other)
				}
				seen[d] = c.path
			}
			if freed != len(tt.free) || len(seen) < tt.typ.NumField()-freed {
				t.Errorf("only %d changes were tried, %d of them free", len(all), freed)
			}
		})
	}
}

func TestDigestsOfBrokenJSON(t *testing.T) {
	a, b := allowed().Intent, allowed().Intent
	a.Arguments, b.Arguments = json.RawMessage(`{`), json.RawMessage(`[`)
	if a.Digest() == b.Digest() || a.Digest() == allowed().Intent.Digest() {
		t.Error("arguments that are no JSON have the digest of others")
	}
}
