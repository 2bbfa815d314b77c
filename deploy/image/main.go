// Command image assembles a container image from files, without a container
// runtime: the same files give the same digest, wherever and whenever. It
// writes a layout of the Open Container Initiative as one archive, which
// registries' tools copy and containerd imports.
//
//	image --name registry.example.com/sallyport/gateway:1.0.0 --out bin/gateway.tar /sallyport-gateway=bin/sallyport-gateway
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// run writes the archive, and to out one line: the image by digest, and the
// file that it is in.
func run(args []string, out io.Writer) error {
	var i image
	var file string
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&i.name, "name", "", "what the image is called: repository:tag")
	flags.StringVar(&i.user, "user", "65532:65532", "who its program runs as")
	flags.StringVar(&i.arch, "arch", runtime.GOARCH, "what its program is built for")
	flags.StringVar(&file, "out", "", "the archive to write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := i.parse(flags.Args()); err != nil {
		return err
	}
	if file == "" {
		return errors.New("--out is missing")
	}
	digest, err := i.write(file)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s@%s %s\n", i.repository(), digest, file)
	return err
}

// image is what goes into one. The first of its files is its entrypoint.
type image struct {
	name  string
	user  string
	arch  string
	files []content
}

// content is one file of an image.
type content struct {
	path   string // in the image, absolute
	source string // on this machine
}

func (i *image) parse(args []string) error {
	if repository, tag, ok := strings.Cut(path.Base(i.name), ":"); !ok || repository == "" || tag == "" || strings.Contains(i.name, "@") {
		return fmt.Errorf("--name is %q and must be repository:tag", i.name)
	}
	if len(args) == 0 {
		return errors.New("an image needs files, such as /sallyport-gateway=bin/sallyport-gateway, the program first")
	}
	for _, arg := range args {
		name, source, ok := strings.Cut(arg, "=")
		if !ok || !path.IsAbs(name) || path.Clean(name) != name || name == "/" || source == "" {
			return fmt.Errorf("%q is not path=file, with an absolute path in the image", arg)
		}
		if slices.ContainsFunc(i.files, func(c content) bool { return c.path == name }) {
			return fmt.Errorf("%s is named twice", name)
		}
		i.files = append(i.files, content{path: name, source: source})
	}
	return nil
}

// repository is the name without its tag.
func (i *image) repository() string { return i.name[:strings.LastIndex(i.name, ":")] }
