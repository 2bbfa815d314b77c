//go:build linux && (amd64 || arm64)

package sandbox

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

func TestHostIDs(t *testing.T) {
	const wide, narrow, one = "0 0 4294967295\n", "0 100000 65536\n", "0 1000 1\n"
	for name, tt := range map[string]struct {
		euid       int
		uids, gids string
		want       ids
		fails      bool
	}{
		"Root":          {uids: wide, gids: wide, want: ids{uid: unusedID, gid: unusedID, root: true}},
		"RootOfMany":    {uids: narrow, gids: narrow, want: ids{uid: overflowID, gid: overflowID, root: true}},
		"RootOfMixed":   {uids: wide, gids: narrow, want: ids{uid: overflowID, gid: overflowID, root: true}},
		"RootOfOne":     {uids: one, gids: one, fails: true},
		"NoProc":        {fails: true},
		"SeveralRanges": {uids: "0 1000 1\n1 100000 65535\n", gids: "0 1000 1\n1 100000 65535\n", want: ids{uid: overflowID, gid: overflowID, root: true}},
		"User":          {euid: 1000, want: ids{uid: 1000, gid: 1000}},
	} {
		got, err := hostIDs(tt.euid, tt.euid, func(path string) ([]byte, error) {
			content := map[string]string{"/proc/self/uid_map": tt.uids, "/proc/self/gid_map": tt.gids}[path]
			if content == "" {
				return nil, errors.New("no such file")
			}
			return []byte(content), nil
		})
		if (err != nil) != tt.fails || err == nil && got != tt.want {
			t.Errorf("%s: hostIDs = %+v, %v; want %+v", name, got, err, tt.want)
		}
	}
}

func TestAdvice(t *testing.T) {
	for setting, want := range map[string]string{
		"user/max_user_namespaces=0":                     "sysctl -w user.max_user_namespaces",
		"kernel/unprivileged_userns_clone=0":             "sysctl -w kernel.unprivileged_userns_clone=1",
		"kernel/apparmor_restrict_unprivileged_userns=1": "rule userns",
		"vm/memfd_noexec=2":                              "sysctl -w vm.memfd_noexec=1",
		"user/max_user_namespaces=15000":                 "kube runner",
	} {
		name, value, _ := strings.Cut(setting, "=")
		got := advice(fstest.MapFS{name: {Data: []byte(value + "\n")}})
		if !strings.Contains(got, want) {
			t.Errorf("advice with %s = %q; want it to say %q", setting, got, want)
		}
	}
}
