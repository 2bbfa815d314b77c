package api

import (
	"context"
	"log/slog"
	"strings"

	"github.com/sallyport/sallyport"
)

// Scopes finds what a freeze names. An error means that this can't be told now:
// the freeze then holds all the same, with a warning. Safe for concurrent use.
type Scopes interface {
	// Agent returns an error of kind NotFound for one that is not listed.
	Agent(ctx context.Context, id string) (sallyport.Agent, error)
	HasTool(ctx context.Context, name string) (bool, error)
	// HasNamespace takes upper and lower case for one. A namespace that
	// nothing configures and in which no call was made is not known.
	HasNamespace(ctx context.Context, name string) (bool, error)
}

// scopeLookup is what a freeze's names come to.
type scopeLookup struct {
	matches  []string          // what there is
	unknown  []sallyport.Field // what there is not
	warnings []string          // why the freeze may hold less than it seems to
}

// look finds what a freeze names. A freeze of a misspelt agent would answer as
// if it held, and stop nothing.
func (s *Server) look(ctx context.Context, f sallyport.Freeze) scopeLookup {
	if f == (sallyport.Freeze{}) {
		return scopeLookup{matches: []string{"everything"}}
	}
	var of scopeLookup
	for _, scope := range []struct {
		what, name, of string
		has            func(context.Context, string) (bool, error)
	}{
		{"agent", f.Agent, "the identity table has no agent", s.hasAgent},
		{"tool", f.Tool, "the catalogue has no tool", s.opts.Scopes.HasTool},
		{"namespace", f.Namespace, "no configuration and no call names the namespace", s.opts.Scopes.HasNamespace},
	} {
		if scope.name == "" {
			continue
		}
		named := scope.what + " " + scope.name
		switch has, err := scope.has(ctx, scope.name); {
		case err != nil:
			s.opts.Logger.WarnContext(ctx, "could not find what a freeze names", slog.String("scope", named), slog.Any("error", err))
			of.warnings = append(of.warnings, "the API server could not find out whether there is the "+named+": its log has the cause")
		case has:
			of.matches = append(of.matches, named)
		default:
			detail := scope.of + " " + scope.name
			of.unknown = append(of.unknown, sallyport.Field{Pointer: "/" + scope.what, Detail: detail + `: correct the name, or freeze it with "force": true`})
			of.warnings = append(of.warnings, detail)
		}
	}
	return of
}

// err refuses a freeze of what there is not.
func (l scopeLookup) err() error {
	if len(l.unknown) == 0 {
		return nil
	}
	details := make([]string, 0, len(l.unknown))
	for _, u := range l.unknown {
		details = append(details, u.Detail)
	}
	err := sallyport.Errorf(sallyport.Invalid, sallyport.CodeUnknownScope, "%s", strings.Join(details, "; "))
	err.Fields = l.unknown
	return err
}

func (s *Server) hasAgent(ctx context.Context, id string) (bool, error) {
	_, err := s.opts.Scopes.Agent(ctx, id)
	if sallyport.KindOf(err) == sallyport.NotFound {
		return false, nil
	}
	return err == nil, err
}
