package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// local tries something of the machine, in a thread that no goroutine uses after it.
func local(what string) (detail string, err error) {
	attempt := locals()[what]
	if attempt == nil {
		return "", fmt.Errorf("%q is nothing it knows", what)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		detail, err = attempt()
	}()
	<-done
	return detail, err
}

func locals() map[string]func() (string, error) {
	return map[string]func() (string, error){
		"write to the root":               write("/was-here"),
		"write to /etc":                   write("/etc/was-here"),
		"write a parameter of the kernel": open("/proc/sys/kernel/hostname", os.O_WRONLY),
		"the kernel's log":                open("/dev/kmsg", os.O_RDONLY),
		"make a device": func() (string, error) {
			return "", unix.Mknod("/dev/shm/device", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))) //nolint:gosec // it is small
		},
		"read other processes":  others("", environ),
		"trace other processes": others("/app", seize),
		"become root":           func() (string, error) { return "", call(unix.SYS_SETUID, 0) },
		"mount":                 func() (string, error) { return "", unix.Mount("none", "/proc", "tmpfs", 0, "") },
		"leave its mounts":      func() (string, error) { return "", unix.Unshare(unix.CLONE_NEWNS) },
		"leave its users":       func() (string, error) { return "", child(syscall.CLONE_NEWUSER) },
		"a raw socket":          socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP),
		"a packet socket":       socket(unix.AF_PACKET, unix.SOCK_RAW, 0),
	}
}

func write(file string) func() (string, error) {
	return func() (string, error) {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // its own image's
			return "", err
		}
		return "", os.WriteFile(file, []byte("was here"), 0o600)
	}
}

func open(file string, flag int) func() (string, error) {
	return func() (string, error) {
		f, err := os.OpenFile(file, flag, 0)
		if err != nil {
			return "", err
		}
		return "", f.Close()
	}
}

func socket(family, kind, protocol int) func() (string, error) {
	return func() (string, error) {
		fd, err := unix.Socket(family, kind, protocol)
		if err != nil {
			return "", err
		}
		return "", unix.Close(fd)
	}
}

func call(number, argument uintptr) error {
	if _, _, e := unix.RawSyscall(number, argument, 0, 0); e != 0 {
		return e
	}
	return nil
}

// seize traces a process without stopping it; it is let go with this thread.
func seize(pid int) error {
	const ptraceSeize = 0x4206
	if _, _, e := unix.RawSyscall6(unix.SYS_PTRACE, ptraceSeize, uintptr(pid), 0, 0, 0, 0); e != 0 {
		return e
	}
	return nil
}

// child starts a process in a namespace of its own: threads can't leave their
// users alone.
func child(flags uintptr) error {
	p, err := os.StartProcess(os.Args[0], []string{"intruder", "nothing"}, &os.ProcAttr{Sys: &syscall.SysProcAttr{Cloneflags: flags}}) //nolint:gosec // itself
	if err != nil {
		return err
	}
	_, err = p.Wait()
	return err
}

func environ(pid int) error {
	_, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err
}

// others does something to processes of others with a word in their command
// line, if it sees any.
func others(word string, do func(pid int) error) func() (string, error) {
	return func() (string, error) {
		all, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			return "", err
		}
		err = errors.New("there is no other process to be seen")
		for _, dir := range all {
			pid, _ := strconv.Atoi(filepath.Base(dir))
			line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
			if pid == os.Getpid() || !bytes.Contains(line, []byte(word)) {
				continue
			}
			if err = do(pid); err == nil {
				return string(line), nil
			}
		}
		return "", err
	}
}
