package cluster

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// Load loads an image into the node, of which pods then make containers with
// imagePullPolicy: Never. path is a docker-archive, or a layout of the Open
// Container Initiative, as an archive or as a directory.
func (c *Cluster) Load(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(c.load(ctx, path, f), f.Close())
	}
	r, w := io.Pipe()
	go func() {
		tw := tar.NewWriter(w)
		_ = w.CloseWithError(errors.Join(addTree(tw, path), tw.Close())) // always nil
	}()
	return errors.Join(c.load(ctx, path, r), r.Close())
}

// load goes through standard input, because the node doesn't see all of the
// machine's files.
func (c *Cluster) load(ctx context.Context, name string, archive io.Reader) error {
	enter := exec.CommandContext(ctx, "nsenter", "--mount", "--target", strconv.Itoa(c.state.Node), //nolint:gosec // a number
		"ctr", "--namespace=k8s.io", "images", "import", "-")
	enter.Stdin, enter.Env = archive, append(os.Environ(), "PATH="+searchPath())
	if out, err := enter.CombinedOutput(); err != nil {
		return fmt.Errorf("loading %s: %w: %s", name, err, out)
	}
	return nil
}
