//go:build linux

package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// launch is what a container's process does before it becomes the container's program. It comes as JSON on file 3.
type launch struct {
	Root     string  // an empty folder
	Network  string  // the namespace's file
	Hostname string  // the pod's name
	Mounts   []mount // in order
	ReadOnly bool    // the root cannot be written to
	Args     []string
	Env      []string
	Dir      string

	User, Group  int
	Groups       []int
	Drop         []uintptr // capabilities, by number
	NoPrivileges bool      // no program that is run gets more rights
}

// mount puts a file or folder of the machine into the container.
type mount struct {
	Source, Target string
	ReadOnly       bool
}

// runContainer becomes the program of a container. It returns only if that fails.
func runContainer() error {
	runtime.LockOSThread()
	var l launch
	if err := json.NewDecoder(os.NewFile(3, "launch")).Decode(&l); err != nil {
		return err
	}
	if err := l.join(); err != nil {
		return err
	}
	if err := l.fill(); err != nil {
		return err
	}
	if err := l.enter(); err != nil {
		return err
	}
	program, err := l.program()
	if err != nil {
		return err
	}
	if err := l.rights(); err != nil {
		return err
	}
	return syscall.Exec(program, l.Args, l.Env)
}

// join moves the thread into the pod's network. Mounts are already its own: the kernel made it so.
func (l *launch) join() error {
	f, err := os.Open(l.Network)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the pod's network: %w", err)
	}
	return errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Sethostname([]byte(l.Hostname)))
}

// fill makes the container's root.
func (l *launch) fill() error {
	if err := unix.Mount("root", l.Root, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount the root: %w", err)
	}
	for _, dir := range []string{"/dev/shm", "/proc", "/etc", "/tmp", "/old"} {
		if err := os.MkdirAll(l.Root+dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(l.Root+"/tmp", os.ModeSticky|0o777); err != nil {
		return err
	}
	if err := os.WriteFile(l.Root+"/etc/passwd", []byte("root:x:0:0:root:/:/\nnonroot:x:65532:65532:nonroot:/:/\n"), 0o644); err != nil { //nolint:gosec // everybody reads it
		return err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		if err := l.bind(&mount{Source: "/dev/" + name, Target: "/dev/" + name}); err != nil {
			return err
		}
	}
	if err := unix.Mount("shm", l.Root+"/dev/shm", "tmpfs", 0, "mode=1777"); err != nil {
		return err
	}
	if err := unix.Mount("proc", l.Root+"/proc", "proc", 0, ""); err != nil {
		return err
	}
	for i := range l.Mounts {
		if err := l.bind(&l.Mounts[i]); err != nil {
			return fmt.Errorf("mount %s on %s: %w", l.Mounts[i].Source, l.Mounts[i].Target, err)
		}
	}
	return nil
}

func (l *launch) bind(m *mount) error {
	target := filepath.Join(l.Root, m.Target)
	s, err := os.Stat(m.Source)
	if err != nil {
		return err
	}
	if s.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
		var f *os.File
		if f, err = os.OpenFile(target, os.O_CREATE, 0o644); err == nil { //nolint:gosec // it is covered by what is mounted
			err = f.Close()
		}
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := unix.Mount(m.Source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil || !m.ReadOnly {
		return err
	}
	return unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

// enter makes the container's root this process'.
func (l *launch) enter() error {
	if err := unix.PivotRoot(l.Root, l.Root+"/old"); err != nil {
		return fmt.Errorf("enter the root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Unmount("/old", unix.MNT_DETACH); err != nil {
		return err
	}
	if err := os.Remove("/old"); err != nil {
		return err
	}
	if l.ReadOnly {
		if err := unix.Mount("", "/", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("make the root read-only: %w", err)
		}
	}
	return os.Chdir("/" + l.Dir)
}

// program is the file to run.
func (l *launch) program() (string, error) {
	os.Clearenv()
	for _, e := range l.Env {
		if name, value, ok := strings.Cut(e, "="); ok && name == "PATH" {
			if err := os.Setenv(name, value); err != nil {
				return "", err
			}
		}
	}
	return exec.LookPath(l.Args[0])
}

// rights gives up what the security context does not leave.
func (l *launch) rights() error {
	if l.NoPrivileges {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
	}
	for _, c := range l.Drop {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	if err := syscall.Setgroups(l.Groups); err != nil {
		return err
	}
	if err := syscall.Setgid(l.Group); err != nil {
		return err
	}
	return syscall.Setuid(l.User)
}

// capabilities are all of them but keep, by number (linux/capability.h).
func capabilities(drop, keep []string) []uintptr {
	names := []string{"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
		"NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE",
		"SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL",
		"SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"}
	usual := []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT",
		"MKNOD", "AUDIT_WRITE", "SETFCAP"}
	var out []uintptr
	for i, name := range names {
		dropped := !slices.Contains(usual, name) || slices.Contains(drop, name) || slices.Contains(drop, "ALL")
		if dropped && !slices.Contains(keep, name) {
			out = append(out, uintptr(i))
		}
	}
	return out
}
