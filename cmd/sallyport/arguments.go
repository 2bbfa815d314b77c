package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/strict"
)

// arguments are what the flags say of a call's arguments.
type arguments struct {
	values   []string
	texts    []string
	document string
}

func (a *arguments) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&a.values, "arg", nil, "one argument, as `name=value`; may be repeated")
	f.StringArrayVar(&a.texts, "arg-string", nil, "one argument that is a string whatever it looks like, as `name=value`; may be repeated")
	f.StringVar(&a.document, "arguments", "", "all arguments, as a JSON object, `@file`, or - for standard input")
}

// statedFlags are the agent's own words.
func statedFlags(f *pflag.FlagSet, s *client.Submission) {
	f.StringVar(&s.Reason, "reason", "", "why; people who approve will read it")
	f.StringVar(&s.Session, "session", "", "the agent's session")
	f.StringVar(&s.Task, "task", "", "the agent's task")
}

// read makes one JSON object of the flags.
func (a *arguments) read(in io.Reader) (json.RawMessage, error) {
	switch {
	case a.document != "" && len(a.values)+len(a.texts) > 0:
		return nil, errors.New("give --arg and --arg-string or --arguments, not both")
	case a.document != "":
		return readDocument(a.document, in)
	}
	m := map[string]json.RawMessage{}
	for _, given := range a.values {
		if err := setArgument(m, "arg", given, true); err != nil {
			return nil, err
		}
	}
	for _, given := range a.texts {
		if err := setArgument(m, "arg-string", given, false); err != nil {
			return nil, err
		}
	}
	return json.Marshal(m)
}

// setArgument takes one flag's name=value apart. A value that may be JSON and is, is
// taken as such.
func setArgument(m map[string]json.RawMessage, flag, given string, mayBeJSON bool) error {
	name, value, ok := strings.Cut(given, "=")
	if !ok || name == "" {
		return fmt.Errorf("--%s %q must be name=value", flag, given)
	}
	if _, twice := m[name]; twice {
		return fmt.Errorf("--%s %q is given twice", flag, name)
	}
	m[name] = json.RawMessage(value)
	if mayBeJSON && json.Valid(m[name]) {
		return nil
	}
	quoted, err := json.Marshal(value)
	m[name] = quoted
	return err
}

// maxDocument bounds what is read of a file or of standard input, in bytes. The
// gateway takes less.
const maxDocument = 1 << 20

// readDocument reads all arguments from a JSON object, from a file that is named
// after an @, or from standard input.
func readDocument(document string, in io.Reader) (json.RawMessage, error) {
	b, err := []byte(document), error(nil)
	if path, ok := strings.CutPrefix(document, "@"); ok {
		b, err = strict.ReadFile(path, maxDocument)
	} else if document == "-" {
		b, err = io.ReadAll(io.LimitReader(in, maxDocument))
	}
	if err != nil {
		return nil, fmt.Errorf("the arguments can't be read: %w", err)
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(b, &object) != nil || object == nil {
		return nil, errors.New("--arguments must be a JSON object, @ and a file with one, or - for standard input")
	}
	return b, nil
}
