package cluster

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

// Options say what a control plane has. The zero value is an API server on the loopback interface.
type Options struct {
	// Address is the address that the API server listens on and names itself by; "" = 127.0.0.1.
	Address string
	// Controllers are those of kube-controller-manager that run, by its names; none: it does not run.
	Controllers []string
}

// Shared is the control plane of a test binary. Its zero value may be used; Options must not change after the first Start.
type Shared struct {
	Options Options

	mu      sync.Mutex
	inMain  bool
	cluster *Cluster
	err     error
}

// Main runs the tests of m and ends the control plane that they started, if any. It returns the exit code, for TestMain.
func (s *Shared) Main(m *testing.M) int {
	s.mu.Lock()
	s.inMain = true
	s.mu.Unlock()
	code := m.Run()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster == nil {
		return code
	}
	if err := s.cluster.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the control plane:", err)
		return max(code, 1)
	}
	return code
}

// Start returns the control plane, and starts it if nobody has. That takes some seconds; a fault ends the test.
func (s *Shared) Start(t testing.TB) *Cluster {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.inMain:
		s.err = errors.New("call Shared.Main in TestMain, which ends what Start starts")
	case s.cluster == nil && s.err == nil:
		s.cluster, s.err = start(&s.Options)
	}
	if s.err != nil {
		t.Fatalf("control plane: %v", s.err)
	}
	return s.cluster
}
