package cluster

import "syscall"

// attributes put a child into a process group of its own, so that Ctrl-C on a terminal is ours to act on, and end it with the
// thread that started it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
