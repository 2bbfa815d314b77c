package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sallyport/sallyport/client"
)

// arguments are what the flags say of a call's arguments.
type arguments struct {
	values   []string
	document string
}

func (a *arguments) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&a.values, "arg", nil, "one argument, as `name=value`; may be repeated")
	f.StringVar(&a.document, "arguments", "", "all arguments, as a JSON object or `@file`")
}

// statedFlags are the agent's own words.
func statedFlags(f *pflag.FlagSet, s *client.Submission) {
	f.StringVar(&s.Reason, "reason", "", "why; people who approve will read it")
	f.StringVar(&s.Session, "session", "", "the agent's session")
	f.StringVar(&s.Task, "task", "", "the agent's task")
}

// read makes one JSON object of the flags.
func (a *arguments) read(_ io.Reader) (json.RawMessage, error) {
	switch {
	case a.document != "" && len(a.values) > 0:
		return nil, errors.New("give --arg or --arguments, not both")
	case a.document != "":
		return readDocument(a.document)
	}
	m := map[string]json.RawMessage{}
	for _, given := range a.values {
		name, value, ok := strings.Cut(given, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--arg %q must be name=value", given)
		}
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("--arg %q is given twice", name)
		}
		m[name] = json.RawMessage(value)
		if !json.Valid(m[name]) {
			quoted, err := json.Marshal(value)
			if err != nil {
				return nil, err
			}
			m[name] = quoted
		}
	}
	return json.Marshal(m)
}

// readDocument reads all arguments from a JSON object, or from a file that is
// named after an @.
func readDocument(document string) (json.RawMessage, error) {
	b := []byte(document)
	if path, ok := strings.CutPrefix(document, "@"); ok {
		var err error
		if b, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("the arguments can't be read: %w", err)
		}
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(b, &object) != nil || object == nil {
		return nil, errors.New("--arguments must be a JSON object")
	}
	return b, nil
}
