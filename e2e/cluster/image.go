package cluster

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// User is who the program of an image runs as, unless the pod says otherwise.
const User = "65532:65532"

// Image is made of one static binary, which becomes /app, or of a directory,
// which becomes the root with its owners and modes.
type Image struct {
	Ref     string   // as pods name it
	Source  string   // file or directory
	Command []string // arguments of the binary, or all of the command of a directory
}

// Write writes the image as a docker-archive, which containerd can load.
func (i Image) Write(file string) (err error) {
	info, err := os.Stat(i.Source)
	if err != nil {
		return err
	}
	config := map[string]any{"User": User, "WorkingDir": "/"}
	var layer bytes.Buffer
	tw := tar.NewWriter(&layer)
	if info.IsDir() {
		config["Entrypoint"] = i.Command
		err = addTree(tw, i.Source)
	} else {
		config["Entrypoint"], config["Cmd"] = []string{"/app"}, i.Command
		err = addBinary(tw, i.Source)
	}
	if err = errors.Join(err, tw.Close()); err != nil {
		return fmt.Errorf("the image %s: %w", i.Ref, err)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(i.archive(f, config, layer.Bytes()), f.Close())
}

// archive writes the layer, and what says how to use it.
func (i Image) archive(w io.Writer, config map[string]any, layer []byte) error {
	digest := fmt.Sprintf("%x", sha256.Sum256(layer))
	spec, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest}},
	})
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%x.json", sha256.Sum256(spec))
	manifest, err := json.Marshal([]map[string]any{{"Config": name, "RepoTags": []string{i.Ref}, "Layers": []string{digest + ".tar"}}})
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	for _, f := range []struct {
		name string
		data []byte
	}{{name, spec}, {digest + ".tar", layer}, {"manifest.json", manifest}} {
		if err := addFile(tw, f.name, 0o644, f.data); err != nil {
			return err
		}
	}
	return tw.Close()
}

func addBinary(tw *tar.Writer, source string) error {
	binary, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	for dir, mode := range map[string]int64{"dev/": 0o755, "etc/": 0o755, "proc/": 0o755, "sys/": 0o755, "tmp/": 0o1777} {
		if err := tw.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: mode}); err != nil {
			return err
		}
	}
	return addFile(tw, "app", 0o755, binary)
}

func addFile(tw *tar.Writer, name string, mode int64, data []byte) error {
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := tw.Write(data)
	return err
}

// addTree adds what is below root. Sockets and devices have no place in an
// image.
func addTree(tw *tar.Writer, root string) error {
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := ""
		switch info.Mode().Type() {
		case 0, fs.ModeDir:
		case fs.ModeSymlink:
			if target, err = os.Readlink(name); err != nil {
				return err
			}
		default:
			return nil
		}
		return addEntry(tw, root, name, info, target)
	})
}

func addEntry(tw *tar.Writer, root, name string, info fs.FileInfo, target string) error {
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	if h.Name, err = filepath.Rel(root, name); err != nil {
		return err
	}
	if info.IsDir() {
		h.Name += "/"
	}
	h.Uname, h.Gname = "", "" // the machine's names mean nothing there
	if err := tw.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return errors.Join(err, f.Close())
}
