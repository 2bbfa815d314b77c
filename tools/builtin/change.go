package builtin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools/unidiff"
	"github.com/sallyport/sallyport/tools/wire"
)

// preconditions are the preconditions of a write of one file. The blob is the
// SHA-256 of the whole file that was read.
type preconditions struct {
	Path string `json:"path"`
	Blob string `json:"blob"`
}

// written is the result of a tool that writes one file.
type written struct {
	Environment string             `json:"environment"`
	Kind        string             `json:"kind"`
	Name        string             `json:"name"`
	Changed     bool               `json:"changed"`
	Summary     string             `json:"summary"`
	Changes     []sallyport.Change `json:"changes"`
}

// change is a tool's change of an object: one value, in one file. A nil content
// means that the object needs no change.
type change struct {
	object  *object
	path    []any
	before  any // nil if there was no value
	after   any
	summary string
	content []byte
}

// respond plans the change or makes it.
func (c change) respond(req wire.Request) (wire.Response, error) {
	changes := []sallyport.Change{}
	content := c.object.file
	if c.content != nil {
		before, err := json.Marshal(c.before)
		if err != nil {
			return wire.Response{}, err
		}
		after, err := json.Marshal(c.after)
		if err != nil {
			return wire.Response{}, err
		}
		changes = append(changes, sallyport.Change{Path: pointerOf(c.path), Before: before, After: after})
		content = c.content
	}
	sum := sha256.Sum256(c.object.file)
	conditions, err := strict.Canonical(preconditions{Path: c.object.path, Blob: "sha256:" + hex.EncodeToString(sum[:])})
	if err != nil {
		return wire.Response{}, err
	}
	if req.Mode == wire.ModePlan {
		return wire.Response{Plan: &sallyport.Plan{
			Summary: c.summary, Diff: unidiff.Unified(c.object.path, string(c.object.file), string(content)),
			Changes: changes, Preconditions: conditions,
		}}, nil
	}
	if req.Plan != nil && !bytes.Equal(req.Plan.Preconditions, conditions) {
		return wire.Response{}, failf(sallyport.CodePreconditionFailed, "%s has changed since the plan was made; make the call again", c.object.path)
	}
	res, err := wire.Result(written{
		Environment: req.Intent.Namespace, Kind: req.Intent.Resource, Name: req.Intent.Name,
		Changed: c.content != nil, Summary: c.summary, Changes: changes,
	})
	if c.content != nil {
		res.Patch = &wire.Patch{Path: c.object.path, Content: c.content}
	}
	return res, err
}

// pointerOf writes a path as a JSON Pointer (RFC 6901).
func pointerOf(path []any) string {
	var b strings.Builder
	for _, p := range path {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(fmt.Sprint(p)))
	}
	return b.String()
}
