// Package policies is the default policy: rules in Rego, their data, and their
// tests. The README documents its input and output.
package policies

import (
	"embed"
	"io/fs"
)

//go:embed *.rego data.yaml business_hours/data.yaml limits/data.yaml
var files embed.FS

// FS is the policy with the data meant for production. To make one's own,
// write it to a directory with [os.CopyFS] and edit it there.
func FS() fs.FS { return files }

// Development is the same policy for development mode: its business hours
// never end, and an agent may call as often as it likes.
func Development() fs.FS {
	return overlay{FS: files, data: map[string]string{
		"business_hours/data.yaml": "always: true\n",
		"limits/data.yaml":         "calls_per_minute: 1000000\nsame_read_per_hour: 1000000\nsame_write_per_hour: 1000000\n",
	}}
}
