package envoy_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/envoy"
)

func TestNoPortButTheListeners(t *testing.T) {
	r := start(t, hello)
	info, err := os.Stat(filepath.Join(r.dir, "admin.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the administration socket: %v, %v", info, err)
	}
	if n := listening(t, r.PID()); n != 1 {
		t.Errorf("it listens on %d ports, want 1", n)
	}
}

// listening counts the TCP sockets that process pid listens on, each address once.
func listening(t *testing.T, pid int) int {
	t.Helper()
	inodes := map[string]bool{}
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil {
			inodes[to] = true
		}
	}
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]bool{}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" && inodes["socket:["+f[9]+"]"] {
			addresses[f[1]] = true
		}
	}
	return len(addresses)
}

// TestEndsWithItsParent: an Envoy without the process that thinks for it would refuse every call.
func TestEndsWithItsParent(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperDir+"="+folder(t), envoy.Variable+"="+binary(t).Path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, convErr := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || convErr != nil {
		t.Fatalf("%q, %v", line, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	until(t, "the child has ended", func() bool { return !alive(pid) })
}
