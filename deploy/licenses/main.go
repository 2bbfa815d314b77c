// Command licenses writes the licence texts of everything that one program
// links into one file, which images and releases carry: the Go standard
// library, this repository, and each module with a package in the program. It
// fails when a linked module has no licence text, and when a text is not of a
// licence that rules.go allows.
//
//	licenses --out=bin/licenses/sallyport.txt ./cmd/sallyport
//	licenses --dir=temporal-server --out=bin/licenses/temporal-server.txt ./cmd/temporal-server
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

// run writes the file, and usage to w.
func run(ctx context.Context, args []string, w io.Writer) error {
	var p program
	var file string
	flags := flag.NewFlagSet("licenses", flag.ContinueOnError)
	flags.SetOutput(w)
	flags.StringVar(&p.dir, "dir", ".", "a directory in the program's module")
	flags.StringVar(&p.os, "os", runtime.GOOS, "the operating system that the program is built for")
	flags.StringVar(&p.arch, "arch", runtime.GOARCH, "the processor that the program is built for")
	flags.StringVar(&file, "out", "", "the file to write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if file == "" || flags.NArg() != 1 {
		return errors.New("want --out=FILE and one package, such as --out=bin/licenses/sallyport.txt ./cmd/sallyport")
	}
	p.pkg = flags.Arg(0)
	modules, err := p.linked(ctx)
	if err != nil {
		return err
	}
	if err := check(modules); err != nil {
		return err
	}
	var text bytes.Buffer
	write(&text, modules)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // a file to give away
		return err
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}
