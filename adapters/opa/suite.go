package opa

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/tester"
)

// testTimeout is for one test, which may try hundreds of inputs.
const testTimeout = time.Minute

// Report is what a policy's own tests came to.
type Report struct {
	Passed    int
	Failures  []Failure
	Coverage  float64  // per cent of the lines of its rules
	Uncovered []string // "file:line" or "file:line-line"
}

// Failure is a test that did not pass.
type Failure struct {
	Location string // "file:line"
	Name     string
	Detail   string
}

// Test runs the tests (rules named test_… in files named …_test.rego) of the
// policy in fsys, under the same restrictions as decisions. The error is that
// of a policy that can't be loaded.
func Test(ctx context.Context, fsys fs.FS) (Report, error) {
	src, err := readStable(fsys)
	if err != nil {
		return Report{}, err
	}
	if _, err := load(ctx, src, defaultTimeout); err != nil {
		return Report{}, err
	}
	store, err := newStore(src)
	if err != nil {
		return Report{}, err
	}
	rules, err := parse(src.modules)
	if err != nil {
		return Report{}, err
	}
	modules, err := parse(src.tests)
	if err != nil {
		return Report{}, err
	}
	maps.Copy(modules, rules)
	coverage := cover.New()
	report, err := run(ctx, store, tester.NewRunner().SetCompiler(newCompiler().WithEnablePrintStatements(true)).SetStore(store).
		SetModules(modules).RaiseBuiltinErrors(true).CapturePrintOutput(true).SetCoverageQueryTracer(coverage).SetTimeout(testTimeout))
	if err != nil {
		return Report{}, err
	}
	report.measure(coverage.Report(rules), rules)
	return report, nil
}

func run(ctx context.Context, store storage.Store, runner *tester.Runner) (Report, error) {
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return Report{}, err
	}
	defer store.Abort(ctx, txn)
	results, err := runner.RunTests(ctx, txn)
	if err != nil {
		return Report{}, readable(err)
	}
	var r Report
	for result := range results {
		if result.Pass() {
			r.Passed++
			continue
		}
		f := Failure{Location: place(result.Location), Name: result.Package + "." + result.Name, Detail: "it is undefined or false"}
		switch {
		case result.Error != nil:
			f.Detail = readable(result.Error).Error()
		case result.Skip:
			f.Detail = "it is skipped"
		}
		if len(result.Output) > 0 {
			f.Detail += "\n" + strings.TrimSpace(string(result.Output))
		}
		r.Failures = append(r.Failures, f)
	}
	slices.SortFunc(r.Failures, func(a, b Failure) int { return cmp.Compare(a.Name, b.Name) })
	return r, ctx.Err()
}

func place(l *ast.Location) string {
	if l == nil {
		return "?"
	}
	return fmt.Sprintf("%s:%d", l.File, l.Row)
}

// measure takes over how much of the rules the tests went through.
func (r *Report) measure(c cover.Report, rules map[string]*ast.Module) {
	covered, all := 0, 0
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		file := c.Files[name]
		covered += file.CoveredLines
		all += file.CoveredLines + file.NotCoveredLines
		for _, gap := range file.NotCovered {
			where := fmt.Sprintf("%s:%d", name, gap.Start.Row)
			if gap.End.Row != gap.Start.Row {
				where += fmt.Sprintf("-%d", gap.End.Row)
			}
			r.Uncovered = append(r.Uncovered, where)
		}
	}
	r.Uncovered = slices.Compact(r.Uncovered)
	if all > 0 {
		r.Coverage = 100 * float64(covered) / float64(all)
	}
}

// OK reports whether there are tests, all pass, and they cover at least so
// many per cent of the rules.
func (r Report) OK(coverage float64) bool {
	return r.Passed > 0 && len(r.Failures) == 0 && r.Coverage >= coverage
}

// String is the report for people.
func (r Report) String() string {
	var b strings.Builder
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "FAIL %s %s\n     %s\n", f.Location, f.Name, strings.ReplaceAll(f.Detail, "\n", "\n     "))
	}
	for _, where := range r.Uncovered {
		fmt.Fprintf(&b, "not covered: %s\n", where)
	}
	fmt.Fprintf(&b, "%d passed, %d failed, coverage %.1f %%\n", r.Passed, len(r.Failures), r.Coverage)
	return b.String()
}
