//go:build !linux

package cluster

import "syscall"

// attributes are the system's own.
func attributes() *syscall.SysProcAttr { return nil }
