//go:build unix && !linux

package envoy

import "syscall"

// attributes put the child into a process group of its own, so that Ctrl-C on a terminal is ours to act on.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
