package confine

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// archSyscalls are the system calls that only this architecture has or needs.
func archSyscalls() []uint32 { return nil }
