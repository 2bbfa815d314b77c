package policies

import (
	"io"
	"io/fs"
	"strings"
)

// overlay gives some files of a file system other contents.
type overlay struct {
	fs.FS

	data map[string]string // by path
}

// Open opens the file of that name, with its other contents where it has some.
func (o overlay) Open(name string) (fs.File, error) {
	f, err := o.FS.Open(name)
	if err != nil {
		return nil, err
	}
	data, ok := o.data[name]
	if !ok {
		return f, nil
	}
	return &overlaid{File: f, Reader: strings.NewReader(data)}, nil
}

// overlaid is a file with other contents than its own.
type overlaid struct {
	fs.File
	*strings.Reader
}

// Read reads the other contents.
func (f *overlaid) Read(p []byte) (int, error) { return f.Reader.Read(p) }

// Stat describes the file with the size of its other contents.
func (f *overlaid) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return sized{FileInfo: info, size: f.Reader.Size()}, err
}

// sized is what is known of a file, but with another size.
type sized struct {
	fs.FileInfo

	size int64
}

// Size is the other size.
func (s sized) Size() int64 { return s.size }

var _ io.Reader = (*overlaid)(nil)
