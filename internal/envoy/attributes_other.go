//go:build !unix

package envoy

import "syscall"

// attributes are the system's own.
func attributes() *syscall.SysProcAttr { return nil }
