//go:build amd64 || arm64

package confine

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mountPoint is where the new root is assembled. Any directory would do, for
// the mount is seen in this mount namespace only and becomes "/".
const mountPoint = "/tmp"

// enterRoot makes an almost empty root, moves into it and detaches the old one.
// It returns the path to exec the tool by.
func enterRoot(s Spec) (string, error) {
	// Mounts from here on are invisible outside of this namespace.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return "", fmt.Errorf("make mounts private: %w", err)
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV
	if err := unix.Mount("tmpfs", mountPoint, "tmpfs", flags, "size=128m,nr_inodes=32,mode=0755"); err != nil {
		return "", fmt.Errorf("mount the new root: %w", err)
	}
	for _, dir := range []string{"dev", "proc", "tmp"} {
		if err := os.Mkdir(filepath.Join(mountPoint, dir), 0o755); err != nil { //nolint:gosec // the tool must get in
			return "", fmt.Errorf("make the new root: %w", err)
		}
	}
	for _, device := range []string{"null", "zero", "urandom"} {
		if err := bindDevice(device); err != nil {
			return "", err
		}
	}
	binary, err := provideBinary()
	if err != nil {
		return "", err
	}
	tmp := fmt.Sprintf("size=%dm,nr_inodes=64,mode=0700", s.TmpMiB)
	if err := unix.Mount("tmpfs", filepath.Join(mountPoint, "tmp"), "tmpfs", flags|unix.MS_NOEXEC, tmp); err != nil {
		return "", fmt.Errorf("mount /tmp: %w", err)
	}
	return binary, switchRoot()
}

// bindDevice mounts one of the host's devices. Its mount is read-only, which
// forbids to change the node, not to write to the device.
func bindDevice(name string) error {
	source, target := "/dev/"+name, filepath.Join(mountPoint, "dev", name)
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		return fmt.Errorf("make /dev/%s: %w", name, err)
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind /dev/%s: %w", name, err)
	}
	const flags = unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NOEXEC
	if err := unix.Mount("", target, "", flags, ""); err != nil {
		return fmt.Errorf("make /dev/%s read-only: %w", name, err)
	}
	return nil
}

// provideBinary makes the executor reachable by a path in the new root. With
// /proc that is the inherited descriptor, so that the root holds no program at
// all. In containers that hide parts of /proc the kernel forbids to mount one;
// there the binary is copied.
func provideBinary() (string, error) {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if unix.Mount("proc", filepath.Join(mountPoint, "proc"), "proc", flags, "subset=pid") == nil {
		return fmt.Sprintf("/proc/self/fd/%d", BinaryFD), nil
	}
	const name = "/toolexec"
	out, err := os.OpenFile(filepath.Join(mountPoint, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o500) //nolint:gosec // a program
	if err != nil {
		return "", fmt.Errorf("copy the executor: %w", err)
	}
	size, err := unix.Seek(BinaryFD, 0, io.SeekEnd)
	if err == nil {
		// Reading at offsets leaves the shared descriptor's position alone.
		_, err = io.Copy(out, io.NewSectionReader(os.NewFile(BinaryFD, "toolexec"), 0, size))
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", fmt.Errorf("copy the executor: %w", err)
	}
	return name, nil
}

// switchRoot makes the assembled tree the root and detaches everything else.
func switchRoot() error {
	if err := unix.Chdir(mountPoint); err != nil {
		return fmt.Errorf("enter the new root: %w", err)
	}
	// With both arguments "." the old root is mounted over the new one, and
	// unmounting "." removes it: it needs no directory of its own.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("take the old root away: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("enter the new root: %w", err)
	}
	const flags = unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV
	if err := unix.Mount("", "/", "", flags, ""); err != nil {
		return fmt.Errorf("make the root read-only: %w", err)
	}
	if err := unix.Sethostname([]byte(Hostname)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	return nil
}
