//go:build linux && (amd64 || arm64)

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attempt tries to get out. No error means that it did.
type attempt func(with map[string]string) (detail string, err error)

var errHeld = errors.New("held")

// anyOf succeeds when one of several tries does.
func anyOf(tries map[string]func() error) attempt {
	return func(map[string]string) (string, error) {
		var held []error
		for name, try := range tries {
			err := try()
			if err == nil {
				return name, nil
			}
			held = append(held, fmt.Errorf("%s: %w", name, err))
		}
		return "", errors.Join(held...)
	}
}

func call(number uintptr, args ...uintptr) func() error {
	return func() error {
		var a [6]uintptr
		copy(a[:], args)
		if _, _, errno := syscall.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
			return errno
		}
		return nil
	}
}

func socket(family, kind, protocol int) func() error {
	return func() error {
		_, err := unix.Socket(family, kind, protocol)
		return err
	}
}

func dial(network, key string) attempt {
	return func(with map[string]string) (string, error) {
		conn, err := net.DialTimeout(network, with[key], time.Second)
		if err != nil {
			return "", err
		}
		return "connected", conn.Close()
	}
}

func readFile(key string) attempt {
	return func(with map[string]string) (string, error) {
		b, err := os.ReadFile(with[key])
		return string(b), err
	}
}

func attempts() map[string]attempt {
	return map[string]attempt{
		"read_host_file": readFile("host_file"),
		"read_through_root": func(with map[string]string) (string, error) {
			return readFile("p")(map[string]string{"p": "/proc/1/root/.." + with["host_file"]})
		},
		"read_etc_passwd":    func(map[string]string) (string, error) { return readFile("p")(map[string]string{"p": "/etc/passwd"}) },
		"list_root":          listRoot,
		"other_processes":    otherProcesses,
		"runner_environment": runnerEnvironment,
		"own_environment":    ownEnvironment,
		"inherited_files":    inheritedFiles,
		"capabilities":       capabilities,
		"dial_loopback":      dial("tcp", "tcp"),
		"dial_outside": func(map[string]string) (string, error) {
			return dial("tcp", "a")(map[string]string{"a": "192.0.2.1:80"})
		},
		"dial_udp": func(map[string]string) (string, error) {
			return dial("udp", "a")(map[string]string{"a": "192.0.2.1:53"})
		},
		"dial_abstract_unix": dial("unix", "abstract"),
		"dial_unix":          dial("unix", "unix"),
		"other_sockets": anyOf(map[string]func() error{
			"netlink": socket(unix.AF_NETLINK, unix.SOCK_RAW, 0),
			"vsock":   socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0),
			"packet":  socket(unix.AF_PACKET, unix.SOCK_RAW, 0),
			"alg":     socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0),
			"inet":    socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP),
			"unix":    socket(unix.AF_UNIX, unix.SOCK_STREAM, 0),
		}),
		"write_everywhere":  writeEverywhere,
		"replace_executor":  replaceExecutor,
		"exec_from_tmp":     execFromTmp,
		"exec_in_memory":    execInMemory,
		"executable_memory": executableMemory,
		"fork":              fork,
		"become_root":       anyOf(map[string]func() error{"setuid": call(unix.SYS_SETUID, 0), "setgid": call(unix.SYS_SETGID, 0), "setgroups": call(unix.SYS_SETGROUPS, 0, 0)}),
		"mount":             anyOf(map[string]func() error{"mount": func() error { return unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "") }, "umount": func() error { return unix.Unmount("/proc", unix.MNT_DETACH) }, "remount": func() error { return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND, "") }, "fsopen": call(unix.SYS_FSOPEN, 0, 0), "chroot": func() error { return unix.Chroot("/tmp") }, "pivot_root": func() error { return unix.PivotRoot(".", ".") }}),
		"new_namespace":     newNamespace,
		"join_namespace":    func(map[string]string) (string, error) { return "", unix.Setns(0, 0) },
		"ptrace":            anyOf(map[string]func() error{"ptrace": call(unix.SYS_PTRACE, 0), "process_vm_readv": call(unix.SYS_PROCESS_VM_READV, 1, 0, 0, 0, 0, 0), "pidfd_getfd": call(unix.SYS_PIDFD_GETFD, 0, 0, 0), "kcmp": call(unix.SYS_KCMP, 1, 1, 0, 0, 0)}),
		"bpf":               anyOf(map[string]func() error{"bpf": call(unix.SYS_BPF, 0, 0, 0), "seccomp": call(unix.SYS_SECCOMP, 1, 0, 0)}),
		"io_uring": func(map[string]string) (string, error) {
			var p [120]byte
			return "", call(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&p)))()
		},
		"keyrings": anyOf(map[string]func() error{"keyctl": call(unix.SYS_KEYCTL, 0, ^uintptr(2), 0), "add_key": call(unix.SYS_ADD_KEY), "request_key": call(unix.SYS_REQUEST_KEY)}),
		"perf": func(map[string]string) (string, error) {
			a := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Size: 64}
			_, err := unix.PerfEventOpen(&a, 0, -1, -1, 0)
			return "", err
		},
		"userfaultfd":    func(map[string]string) (string, error) { return "", call(unix.SYS_USERFAULTFD, 1)() },
		"kernel":         anyOf(map[string]func() error{"reboot": call(unix.SYS_REBOOT), "init_module": call(unix.SYS_INIT_MODULE), "kexec_load": call(unix.SYS_KEXEC_LOAD), "syslog": call(unix.SYS_SYSLOG, 10), "clock_settime": call(unix.SYS_CLOCK_SETTIME), "sethostname": call(unix.SYS_SETHOSTNAME), "swapon": call(unix.SYS_SWAPON), "acct": call(unix.SYS_ACCT)}),
		"open_by_handle": anyOf(map[string]func() error{"open_by_handle_at": call(unix.SYS_OPEN_BY_HANDLE_AT), "name_to_handle_at": call(unix.SYS_NAME_TO_HANDLE_AT)}),
		"outlive_runner": func(map[string]string) (string, error) { return "", unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0) },
		"raise_limits": anyOf(map[string]func() error{"prlimit": func() error {
			return unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1 << 16, Max: 1 << 16}, nil)
		}}),
		"kill_all":        func(map[string]string) (string, error) { return "", unix.Kill(-1, unix.SIGKILL) },
		"foreign_numbers": foreignNumbers,
		"shared_memory":   sharedMemory,
		"ipc":             anyOf(map[string]func() error{"shmget": call(unix.SYS_SHMGET, 0, 4096, 0o1600), "msgget": call(unix.SYS_MSGGET, 0, 0o1600), "mq_open": call(unix.SYS_MQ_OPEN)}),
		"terminal":        anyOf(map[string]func() error{"ioctl": call(unix.SYS_IOCTL, 0, unix.TIOCSTI, 0), "ptmx": func() error { _, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0); return err }}),
	}
}

func listRoot(map[string]string) (string, error) {
	entries, err := os.ReadDir("/")
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if !strings.Contains(" dev proc tmp toolexec ", " "+e.Name()+" ") {
			return e.Name(), nil
		}
	}
	return "", errHeld
}

func otherProcesses(map[string]string) (string, error) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid != 1 {
			return e.Name(), nil
		}
	}
	if os.Getppid() != 0 {
		return "there is a parent", nil
	}
	return "", errHeld
}

func runnerEnvironment(with map[string]string) (string, error) {
	for _, pid := range []string{"1", "self", "0", with["runner_pid"]} {
		b, err := os.ReadFile("/proc/" + pid + "/environ")
		if err == nil && strings.Contains(string(b), with["secret"]) {
			return string(b), nil
		}
	}
	return "", errHeld
}

func ownEnvironment(map[string]string) (string, error) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GO") {
			return v, nil
		}
	}
	return "", errHeld
}

// inheritedFiles looks for descriptors beyond the standard ones, the broker's
// and what the Go runtime opened for itself.
func inheritedFiles(map[string]string) (string, error) {
	for fd := range 1024 {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil || strings.HasPrefix(target, "anon_inode:") {
			continue
		}
		if fd > 3 || fd < 3 && !strings.HasPrefix(target, "pipe:") || fd == 3 && !strings.HasPrefix(target, "socket:") {
			return fmt.Sprintf("%d is %s", fd, target), nil
		}
	}
	return "", errHeld
}

func capabilities(map[string]string) (string, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch {
		case strings.HasPrefix(name, "Cap") && strings.Trim(value, "0") != "":
			return line, nil
		case name == "NoNewPrivs" && value != "1", name == "Seccomp" && value != "2":
			return line, nil
		case name == "Groups" && strings.Trim(value, "654 3") == "0":
			return line, nil
		}
	}
	return "", errHeld
}

func writeEverywhere(map[string]string) (string, error) {
	places := []string{"/x", "/dev/x", "/proc/x", "/proc/sys/kernel/hostname", "/proc/1/oom_score_adj", "/proc/self/uid_map", "/dev/shm/x"}
	for _, place := range places {
		if err := os.WriteFile(place, []byte("x"), 0o644); err == nil {
			return place, nil
		}
	}
	for _, err := range []error{os.Remove("/dev/null"), os.Chmod("/dev/null", 0o777), os.Rename("/tmp", "/t"), os.Mkdir("/d", 0o755)} {
		if err == nil {
			return "changed the root", nil
		}
	}
	return "", errHeld
}

func replaceExecutor(map[string]string) (string, error) {
	for _, place := range []string{"/proc/self/exe", "/proc/1/exe", "/toolexec", "/proc/self/mem"} {
		f, err := os.OpenFile(place, os.O_WRONLY, 0)
		if err != nil {
			continue
		}
		if strings.HasSuffix(place, "mem") {
			// One may write to one's own memory, but not to make code of it
			// for anyone else: the file behind it is sealed.
			_ = f.Close()
			continue
		}
		return place, nil
	}
	return "", errHeld
}

func execFromTmp(map[string]string) (string, error) {
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return "", err
	}
	path := filepath.Join("/tmp", "program")
	if err := os.WriteFile(path, program[:min(len(program), 1<<20)], 0o755); err != nil {
		return "", err
	}
	if err := syscall.Exec(path, []string{path}, nil); err != nil {
		return "", err
	}
	return "executed", nil
}

func execInMemory(map[string]string) (string, error) {
	fd, err := unix.MemfdCreate("x", 0)
	return strconv.Itoa(fd), err
}

func executableMemory(map[string]string) (string, error) {
	if _, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE); err == nil {
		return "mmap", nil
	}
	page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return "", err
	}
	return "mprotect", unix.Mprotect(page, unix.PROT_READ|unix.PROT_EXEC)
}

func fork(map[string]string) (string, error) {
	if err := exec.Command("/proc/self/exe", "run").Start(); err == nil {
		return "exec.Command", nil
	}
	for _, flags := range []uintptr{uintptr(unix.SIGCHLD), unix.CLONE_VM | unix.CLONE_VFORK | uintptr(unix.SIGCHLD)} {
		pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, flags, 0, 0, 0, 0, 0)
		if errno == 0 {
			if pid == 0 {
				syscall.RawSyscall(unix.SYS_EXIT, 0, 0, 0)
			}
			return "clone", nil
		}
	}
	return "clone3", call(unix.SYS_CLONE3, 0, 0)()
}

func newNamespace(map[string]string) (string, error) {
	for _, flag := range []uintptr{unix.CLONE_NEWUSER, unix.CLONE_NEWNS, unix.CLONE_NEWPID, unix.CLONE_NEWNET, unix.CLONE_NEWIPC, unix.CLONE_NEWUTS, unix.CLONE_NEWCGROUP} {
		if call(unix.SYS_UNSHARE, flag)() == nil {
			return fmt.Sprintf("unshare(%#x)", flag), nil
		}
		if _, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, flag|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0); errno == 0 {
			return fmt.Sprintf("clone(%#x)", flag), nil
		}
	}
	return "", errHeld
}

// foreignNumbers calls getpid by the number of the x32 table, which a filter
// for amd64 could have missed.
func foreignNumbers(map[string]string) (string, error) {
	const x32 = 0x40000000
	return "x32", call(x32 | unix.SYS_GETPID)()
}

// sharedMemory wants memory that limits on private memory don't count.
func sharedMemory(map[string]string) (string, error) {
	for name, flags := range map[string]int{
		"shared":   unix.MAP_ANON | unix.MAP_SHARED,
		"validate": unix.MAP_ANON | unix.MAP_SHARED_VALIDATE,
		"stack":    unix.MAP_ANON | unix.MAP_PRIVATE | unix.MAP_GROWSDOWN,
	} {
		if _, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, flags); err == nil {
			return name, nil
		}
	}
	if _, err := unix.Mmap(-1, 0, 16<<30, unix.PROT_READ, unix.MAP_ANON|unix.MAP_PRIVATE); err == nil {
		return "16 GiB of addresses", nil
	}
	return "", errHeld
}
