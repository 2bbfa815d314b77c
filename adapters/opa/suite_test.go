package opa_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/adapters/opa"
)

func TestTest(t *testing.T) {
	fsys := tinyFS("p(x) := 1 if x == 1\n\np(x) := 2 if x == 2")
	fsys["policy_test.rego"] = tinyFSOf(`package sallyport_test

import data.sallyport

test_passes if sallyport.p(1) == 1

test_fails if {
	print("p is", sallyport.p(1))
	sallyport.p(1) == 2
}

test_breaks if to_number(sallyport.approver[0].code) == 1

todo_test_later if true
`)["policy.rego"]
	report, err := opa.Test(t.Context(), fsys)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range report.Failures {
		names = append(names, f.Location+" "+f.Name)
	}
	want := []string{
		"policy_test.rego:12 data.sallyport_test.test_breaks",
		"policy_test.rego:7 data.sallyport_test.test_fails",
		"policy_test.rego:14 data.sallyport_test.todo_test_later",
	}
	if d := cmp.Diff(want, names); d != "" {
		t.Errorf("failures (-want +got)\n%s", d)
	}
	if report.Passed != 1 || report.Coverage <= 0 || report.Coverage >= 100 || report.OK(0) {
		t.Errorf("passed %d, coverage %.1f, OK %t", report.Passed, report.Coverage, report.OK(0))
	}
	for _, line := range []string{
		"FAIL policy_test.rego:7 data.sallyport_test.test_fails\n     it is undefined or false\n     p is 1\n",
		"not covered: policy.rego:11\n",
		"1 passed, 3 failed, coverage ",
	} {
		if !strings.Contains(report.String(), line) {
			t.Errorf("the report has no %q:\n%s", line, report)
		}
	}
}

// TestTestRefusesBadPolicies: passing tests of a policy that can't go live
// would mean nothing.
func TestTestRefusesBadPolicies(t *testing.T) {
	for name, tt := range map[string]struct{ file, content, want string }{
		"Policy":      {"bad.rego", "package x\n\np {", "bad.rego:3: "},
		"Test":        {"bad_test.rego", "package x_test\n\ntest_p if {", "bad_test.rego:3: "},
		"TestCompile": {"bad_test.rego", "package x_test\n\ntest_p if data.sallyport.decision == q", "bad_test.rego:3: "},
		"BannedTest":  {"bad_test.rego", "package x_test\n\ntest_p if time.now_ns() > 0", "bad_test.rego:3: undefined function time.now_ns"},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := tinyFS("")
			fsys[tt.file] = tinyFSOf(tt.content)["policy.rego"]
			if _, err := opa.Test(t.Context(), fsys); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Test = %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestNoTestsAreNotOK(t *testing.T) {
	report, err := opa.Test(t.Context(), tinyFS(""))
	if err != nil || report.OK(0) {
		t.Errorf("OK = %t, %v; want false", report.OK(0), err)
	}
}
