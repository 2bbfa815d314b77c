//go:build unix

package strict

import "testing"

func TestOurs(t *testing.T) {
	for name, test := range map[string]struct {
		reason       string
		owner, group uint32
		us           int
		want         bool
	}{
		"Secret":       {"Kubernetes mounts it as root's, with the pod's fsGroup", 0, 65532, 65532, true},
		"Token":        {"and a token as the program's own", 65532, 65532, 65532, true},
		"SharedGroup":  {"a group of many, such as users", 1000, 100, 1000, false},
		"SomebodyElse": {"who may change what it says", 1001, 1001, 1000, false},
		"Root":         {"root needs no group", 0, 0, 0, false},
		"RootOfOthers": {"the same", 1000, 1000, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ours(test.owner, test.group, test.us); got != test.want {
				t.Errorf("a file of %d:%d is for %d: %v, want %v (%s)", test.owner, test.group, test.us, got, test.want, test.reason)
			}
		})
	}
}
