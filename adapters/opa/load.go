package opa

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/sallyport/sallyport"
)

// The rules that a policy must define, and one that it may.
const (
	decisionRule = "data.sallyport.decision"
	visibleRule  = "data.sallyport.visible"
	approverRule = "data.sallyport.approver"
	faultsRule   = "data.sallyport.faults"
)

// loadTimeout is for each evaluation while a policy is loaded, when the
// machine may be busy starting.
const loadTimeout = 10 * time.Second

// policy is a compiled policy. It never changes.
type policy struct {
	revision string
	timeout  time.Duration
	decision rego.PreparedEvalQuery
	visible  rego.PreparedEvalQuery
	approver rego.PreparedEvalQuery
	words    map[sallyport.WordKind][]string // that operators declared
}

// load compiles a policy and tries it. Errors have file, line and reason.
func load(ctx context.Context, src source, timeout time.Duration) (*policy, error) {
	store, err := newStore(src)
	if err != nil {
		return nil, err
	}
	compiler, err := compile(ctx, store, src.modules)
	if err != nil {
		return nil, err
	}
	for _, rule := range []string{decisionRule, visibleRule, approverRule} {
		if len(compiler.GetRulesExact(ast.MustParseRef(rule))) == 0 {
			return nil, fmt.Errorf("%s is not defined: the gateway asks for it", rule)
		}
	}
	data, err := documents(src.data)
	if err != nil {
		return nil, err
	}
	p := &policy{revision: src.revision(), timeout: loadTimeout, words: words(data)}
	for rule, query := range map[string]*rego.PreparedEvalQuery{decisionRule: &p.decision, visibleRule: &p.visible, approverRule: &p.approver} {
		if *query, err = prepare(ctx, compiler, store, rule); err != nil {
			return nil, err
		}
	}
	if err := checkFaults(ctx, compiler, store); err != nil {
		return nil, err
	}
	if err := p.checkDefaults(ctx); err != nil {
		return nil, err
	}
	p.timeout = timeout
	return p, nil
}

func newStore(src source) (storage.Store, error) {
	data, err := documents(src.data)
	if err != nil {
		return nil, err
	}
	return inmem.NewFromObjectWithOpts(data, inmem.OptRoundTripOnWrite(false), inmem.OptReturnASTValuesOnRead(true)), nil
}

// parse reads modules of Rego v1.
func parse(files map[string][]byte) (map[string]*ast.Module, error) {
	allowed := capabilities()
	modules := map[string]*ast.Module{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		m, err := ast.ParseModuleWithOpts(name, string(files[name]), ast.ParserOptions{
			Capabilities: allowed, RegoVersion: ast.RegoV1, ProcessAnnotation: true,
		})
		switch {
		case err != nil:
			return nil, readable(err)
		case m == nil:
			return nil, fmt.Errorf("%s:1: the file is empty", name)
		}
		modules[name] = m
	}
	return modules, nil
}

func newCompiler() *ast.Compiler {
	return ast.NewCompiler().WithCapabilities(capabilities()).WithStrict(true).WithDefaultRegoVersion(ast.RegoV1)
}

// compile compiles modules, and rejects data at the path of a rule.
func compile(ctx context.Context, store storage.Store, files map[string][]byte) (*ast.Compiler, error) {
	modules, err := parse(files)
	if err != nil {
		return nil, err
	}
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Abort(ctx, txn)
	c := newCompiler().WithPathConflictsCheck(storage.NonEmpty(ctx, store, txn))
	if c.Compile(modules); c.Failed() {
		return nil, readable(c.Errors)
	}
	return c, nil
}

func prepare(ctx context.Context, c *ast.Compiler, store storage.Store, rule string) (rego.PreparedEvalQuery, error) {
	query, err := rego.New(rego.Query(rule), rego.Compiler(c), rego.Store(store), rego.StoreReadAST(true),
		rego.Capabilities(capabilities()), rego.StrictBuiltinErrors(true)).PrepareForEval(ctx)
	if err != nil {
		return query, fmt.Errorf("prepare %s: %w", rule, readable(err))
	}
	return query, nil
}

// checkFaults asks a policy what is wrong with its own data.
func checkFaults(ctx context.Context, c *ast.Compiler, store storage.Store) error {
	if len(c.GetRulesExact(ast.MustParseRef(faultsRule))) == 0 {
		return nil
	}
	query, err := prepare(ctx, c, store, faultsRule)
	if err != nil {
		return err
	}
	raw, err := evaluate(ctx, query, map[string]any{}, loadTimeout)
	if err != nil {
		return fmt.Errorf("%s: %w", faultsRule, err)
	}
	var faults []string
	if err := decode(raw, &faults); err != nil {
		return fmt.Errorf("%s must be a set of strings: %w", faultsRule, err)
	}
	if len(faults) > 0 {
		return errors.New(strings.Join(faults, "\n"))
	}
	return nil
}

// checkDefaults evaluates a policy on an empty input: it must deny, hide and
// object. A policy that allows unknown input is a mistake.
func (p *policy) checkDefaults(ctx context.Context) error {
	nothing := map[string]any{}
	d, err := p.decide(ctx, nothing)
	switch {
	case err != nil:
		return fmt.Errorf("%s has no result for an empty input: %w", decisionRule, err)
	case d.Effect != "deny":
		return fmt.Errorf("%s decides %s for an empty input: a call that no rule allows must be denied", decisionRule, d.Effect)
	}
	visible, err := p.see(ctx, nothing)
	switch {
	case err != nil:
		return fmt.Errorf("%s has no result for an empty input: %w", visibleRule, err)
	case visible:
		return fmt.Errorf("%s is true for an empty input: tools must be hidden from unknown agents", visibleRule)
	}
	reasons, err := p.object(ctx, nothing)
	switch {
	case err != nil:
		return fmt.Errorf("%s has no result for an empty input: %w", approverRule, err)
	case len(reasons) == 0:
		return fmt.Errorf("%s has no objection to an empty input: a vote without a person must not count", approverRule)
	}
	return nil
}

// readable writes each of OPA's errors on a line of its own, as
// "file:line: what is wrong".
func readable(err error) error {
	list, ok := errors.AsType[ast.Errors](err)
	if one, single := errors.AsType[*ast.Error](err); single && !ok {
		list, ok = ast.Errors{one}, true
	}
	if !ok {
		return err
	}
	lines := make([]string, 0, len(list))
	for _, e := range list {
		line := e.Message
		if e.Location != nil && e.Location.File != "" {
			line = fmt.Sprintf("%s:%d: %s", e.Location.File, max(e.Location.Row, 1), e.Message)
		}
		lines = append(lines, line)
	}
	return errors.New(strings.Join(lines, "\n"))
}
