//go:build !linux

package instancetest

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }
