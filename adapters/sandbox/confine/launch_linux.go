//go:build amd64 || arm64

package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Launch starts executors, until the runner closes its end of the socket.
//
// The kernel copies the page tables of a process that makes a child in a new
// user namespace, and then lets it fault on every page that it writes to. A
// gateway is large and this process is small, so the runner has it do that.
// The executors are the runner's children all the same: it waits for them,
// and they die with it.
func Launch() error {
	if _, err := unix.GetsockoptInt(LauncherFD, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
		return fmt.Errorf("confine: descriptor %d is no socket; only the sandbox runner starts a launcher: %w", LauncherFD, err)
	}
	binary := os.NewFile(BinaryFD, "toolexec")
	defer binary.Close()
	for {
		order, files, err := readOrder()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		go launch(order, files, binary)
	}
}

// readOrder waits for an order and the files that go with it.
func readOrder() (o Order, files []*os.File, err error) {
	data, rights := make([]byte, 1024), make([]byte, unix.CmsgSpace(4*OrderFiles))
	n, nrights, _, _, err := unix.Recvmsg(LauncherFD, data, rights, unix.MSG_CMSG_CLOEXEC)
	for errors.Is(err, unix.EINTR) {
		n, nrights, _, _, err = unix.Recvmsg(LauncherFD, data, rights, unix.MSG_CMSG_CLOEXEC)
	}
	switch {
	case err != nil:
		return o, nil, fmt.Errorf("confine: read an order: %w", err)
	case n == 0:
		return o, nil, io.EOF
	}
	messages, err := unix.ParseSocketControlMessage(rights[:nrights])
	if err != nil {
		return o, nil, fmt.Errorf("confine: read an order's files: %w", err)
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return o, nil, fmt.Errorf("confine: read an order's files: %w", err)
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "executor"))
		}
	}
	if len(files) != OrderFiles {
		return o, nil, fmt.Errorf("confine: an order with %d files", len(files))
	}
	return o, files, json.Unmarshal(data[:n], &o)
}

// launch carries out an order and writes [Launched] to the last of its files.
func launch(o Order, files []*os.File, binary *os.File) {
	defer func() {
		for _, f := range files {
			_ = f.Close() // the executor has its own copy, or there is none
		}
	}()
	p, err := os.StartProcess(fmt.Sprintf("/proc/self/fd/%d", BinaryFD), []string{"toolexec", ArgConfine}, &os.ProcAttr{
		Dir:   "/",
		Env:   []string{"GOMAXPROCS=1", "GOGC=off"}, // nothing of the runner's environment; no garbage collection in the short time before the tool
		Files: append(slices.Clip(files[:BinaryFD]), binary),
		Sys:   o.attributes(),
	})
	launched := Launched{}
	if err != nil {
		launched.Error = err.Error()
	} else {
		launched.PID = p.Pid
		_ = p.Release() // the runner waits for it
	}
	data, err := json.Marshal(launched)
	if err == nil {
		_, _ = files[OrderFiles-1].Write(data) // fails only if the runner is gone
	}
}

// attributes put a child into namespaces of its own, as the only user there,
// with the capabilities that building its root takes: they hold in its own
// user namespace, and go before the tool begins.
func (o Order) attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_PARENT | unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
			unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: UID, HostID: o.UID, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: UID, HostID: o.GID, Size: 1}},
		// Root's supplementary groups would go along. An ordinary user may
		// not drop theirs (user_namespaces(7)), and has no file to use them on.
		GidMappingsEnableSetgroups: o.Root,
		Credential:                 &syscall.Credential{Uid: UID, Gid: UID, NoSetGroups: !o.Root},
		AmbientCaps:                []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP},
		Pdeathsig:                  syscall.SIGKILL,
		Setsid:                     true,
	}
}
