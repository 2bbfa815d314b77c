//go:build amd64 || arm64

package confine

import (
	"fmt"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data (linux/seccomp.h). The low half of a 64-bit
// argument comes first on both architectures.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16
)

// namespaceFlags are all CLONE_NEW… flags.
const namespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWTIME

// filterSyscalls allows what a Go program needs to compute, to use files that
// are open or in /tmp, and to start threads. It allows no processes, no sockets,
// and no shared or executable mappings. Every other call returns ENOSYS, as from
// a kernel without it: programs can handle that.
//
// The filter belongs to this thread and survives exec; no_new_privs is set.
func filterSyscalls() error {
	raw, err := bpf.Assemble(filterProgram())
	if err != nil {
		return fmt.Errorf("assemble the system call filter: %w", err)
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]} //nolint:gosec // some 150 instructions
	address := uintptr(unsafe.Pointer(&program))                        //nolint:gosec // prctl takes the address of a struct
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, address, 0, 0); err != nil {
		return fmt.Errorf("filter system calls: %w", err)
	}
	return nil
}

func filterProgram() []bpf.Instruction {
	allow := bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	kill := bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS}
	absent := bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}
	// Numbers mean other calls under another architecture's table, such as
	// the 32-bit one of amd64: the kernel kills a process that uses one. The x32
	// numbers (bit 30) are on no list, so they return ENOSYS.
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		kill,
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
	}
	program = append(program, threadsOnly()...)
	program = append(program, withoutBits(unix.SYS_MMAP,
		argument{2, unix.PROT_EXEC},
		// Neither shared nor stack-like mappings count against RLIMIT_DATA.
		argument{3, unix.MAP_SHARED | unix.MAP_GROWSDOWN})...)
	program = append(program, withoutBits(unix.SYS_MPROTECT, argument{2, unix.PROT_EXEC})...)
	for _, list := range [][]uint32{commonSyscalls(), archSyscalls()} {
		for _, number := range list {
			program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: number, SkipTrue: 1}, allow)
		}
	}
	return append(program, absent)
}

// threadsOnly allows clone when it makes a thread in the same namespaces.
// clone3 has its flags behind a pointer, where a filter can't look, and is on
// no list: Go then uses clone.
func threadsOnly() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_CLONE, SkipTrue: 5},
		bpf.LoadAbsolute{Off: offsetArgs, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: namespaceFlags, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: unix.CLONE_THREAD, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
	}
}

// argument holds the bits that must not be set in an argument of a system call.
type argument struct{ index, forbidden uint32 }

// withoutBits allows a call unless one of its arguments has a forbidden bit.
func withoutBits(number uint32, arguments ...argument) []bpf.Instruction {
	body := make([]bpf.Instruction, 0, 2*len(arguments)+2)
	for i, a := range arguments {
		toRefusal := 2*(len(arguments)-i-1) + 1
		body = append(body,
			bpf.LoadAbsolute{Off: offsetArgs + 8*a.index, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: a.forbidden, SkipTrue: uint8(toRefusal)}) //nolint:gosec // at most 11
	}
	body = append(body,
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
	skip := bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: number, SkipTrue: uint8(len(body))} //nolint:gosec // at most 14
	return append([]bpf.Instruction{skip}, body...)
}

// commonSyscalls are allowed with any arguments.
func commonSyscalls() []uint32 {
	return []uint32{
		// Open files, the three standard streams and the broker.
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64,
		unix.SYS_CLOSE, unix.SYS_FSTAT, unix.SYS_LSEEK, unix.SYS_FCNTL, unix.SYS_FTRUNCATE, unix.SYS_FSYNC,
		// Files by name, as far as the root and Landlock permit.
		unix.SYS_OPENAT, unix.SYS_NEWFSTATAT, unix.SYS_STATX, unix.SYS_READLINKAT, unix.SYS_GETDENTS64,
		unix.SYS_GETCWD, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_UNLINKAT, unix.SYS_MKDIRAT,
		unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2,
		// Memory; mmap and mprotect are above.
		unix.SYS_MUNMAP, unix.SYS_MADVISE, unix.SYS_BRK, unix.SYS_MINCORE,
		// Threads, signals between them, and waiting.
		unix.SYS_FUTEX, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY,
		unix.SYS_TGKILL, unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
		unix.SYS_RESTART_SYSCALL, unix.SYS_SET_TID_ADDRESS, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ,
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2,
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
		// Facts about oneself, and the time.
		unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID,
		unix.SYS_GETEGID, unix.SYS_UNAME, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY,
		unix.SYS_GETRANDOM,
		// To become the tool. The root holds no other program.
		unix.SYS_EXECVE,
	}
}
