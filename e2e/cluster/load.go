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
	"strings"
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

// LoadAs loads an image by Load, and gives it a name that pods use: where they
// name images by digest, containerd has to have heard of that.
func (c *Cluster) LoadAs(ctx context.Context, path, ref string) error {
	if err := c.Load(ctx, path); err != nil {
		return err
	}
	_, digest, ok := strings.Cut(ref, "@")
	if !ok {
		return fmt.Errorf("%s names no digest", ref)
	}
	out, err := c.ctr(ctx, nil, "images", "list", "target.digest=="+digest, "--quiet")
	if err != nil {
		return fmt.Errorf("looking for %s: %w: %s", ref, err, out)
	}
	loaded := strings.Fields(string(out))
	if len(loaded) == 0 {
		return fmt.Errorf("%s holds no image with the digest of %s", path, ref)
	}
	if out, err := c.ctr(ctx, nil, "images", "tag", "--force", loaded[0], ref); err != nil {
		return fmt.Errorf("naming %s: %w: %s", ref, err, out)
	}
	return nil
}

// load goes through standard input, because the node doesn't see all of the
// machine's files.
func (c *Cluster) load(ctx context.Context, name string, archive io.Reader) error {
	if out, err := c.ctr(ctx, archive, "images", "import", "-"); err != nil {
		return fmt.Errorf("loading %s: %w: %s", name, err, out)
	}
	return nil
}

// ctr runs containerd's client in the node.
func (c *Cluster) ctr(ctx context.Context, in io.Reader, args ...string) ([]byte, error) {
	args = append([]string{"--mount", "--target", strconv.Itoa(c.state.Node), "ctr", "--namespace=k8s.io"}, args...)
	enter := exec.CommandContext(ctx, "nsenter", args...) //nolint:gosec // a number, and words of ours
	enter.Stdin, enter.Env = in, append(os.Environ(), "PATH="+searchPath())
	return enter.CombinedOutput()
}
