package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML reads one YAML document into v. Keys that v doesn't have, duplicate
// keys and a second document are refused; errors begin with name and line.
func YAML(name string, data []byte, v any) error {
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	err := d.Decode(v)
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s:1: the file is empty", name)
	}
	if err != nil {
		return located(name, err)
	}
	var more yaml.Node
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s:%d: there is a second document", name, max(more.Line, 1))
	}
	return nil
}

// located turns "yaml: line 3: …" into "name:3: …", one line per fault.
func located(name string, err error) error {
	faults := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	if t, ok := errors.AsType[*yaml.TypeError](err); ok {
		faults = t.Errors
	}
	for i, f := range faults {
		var line int
		if n, _ := fmt.Sscanf(f, "line %d:", &line); n == 1 {
			_, f, _ = strings.Cut(f, ": ")
		}
		faults[i] = fmt.Sprintf("%s:%d: %s", name, max(line, 1), f)
	}
	return errors.New(strings.Join(faults, "\n"))
}
