package program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// listed is a package as the Go tool lists it.
type listed struct {
	Dir        string   `json:"Dir"`
	ImportPath string   `json:"ImportPath"`
	GoFiles    []string `json:"GoFiles"`
	SFiles     []string `json:"SFiles"`
	HFiles     []string `json:"HFiles"`
	EmbedFiles []string `json:"EmbedFiles"`
	Module     *struct {
		Main    bool `json:"Main"`
		Replace *struct {
			Version string `json:"Version"`
		} `json:"Replace"`
	} `json:"Module"`
}

// ours reports whether a package stands in this repository. go.sum pins all
// others.
func (l listed) ours() bool {
	return l.Module != nil && (l.Module.Main || l.Module.Replace != nil && l.Module.Replace.Version == "")
}

// hashListed reads the files of all packages of this repository that go into
// the program, and which versions of others do.
func (p Source) hashListed(ctx context.Context, sum io.Writer) error {
	out, err := Go(ctx, p.Module, "list", "-deps", "-json=Dir,ImportPath,GoFiles,SFiles,HFiles,EmbedFiles,Module", p.Package)
	if err != nil {
		return err
	}
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var l listed
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("what the Go tool lists can't be read: %w", err)
		}
		if !l.ours() {
			continue
		}
		for _, name := range slices.Concat(l.GoFiles, l.SFiles, l.HFiles, l.EmbedFiles) {
			if err := hashFile(sum, l.ImportPath+"/"+name, filepath.Join(l.Dir, name)); err != nil {
				return err
			}
		}
	}
	return errors.Join(hashFile(sum, "go.mod", filepath.Join(p.Module, "go.mod")), hashFile(sum, "go.sum", filepath.Join(p.Module, "go.sum")))
}

func hashFile(sum io.Writer, name, path string) error {
	data, err := os.ReadFile(path)
	_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(data), data) // a hash never fails
	return err
}
