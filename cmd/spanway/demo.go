package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/spanway/spanway/internal/demo"
	"github.com/spanway/spanway/internal/ir"
)

// demoServer is the built-in demo provider; the zero value does not run.
type demoServer struct {
	server *http.Server
	done   chan struct{}
}

// startDemo serves the built-in demo provider at address, so that calls to it are as real as any.
func (r *runner) startDemo(ctx context.Context, address string) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("demo provider: %w", err)
	}
	server := &http.Server{Handler: demo.Handler(demo.Options{}), ReadHeaderTimeout: 10 * time.Second}
	r.env.DemoURL = "http://" + ln.Addr().String()
	r.demo = demoServer{server: server, done: make(chan struct{})}
	done := r.demo.done
	go func() {
		defer close(done)
		_ = server.Serve(ln) // ends with Close
	}()
	return nil
}

func (r *runner) stopDemo() {
	if r.demo.server != nil {
		_ = r.demo.server.Close()
		<-r.demo.done
	}
}

// usesDemo reports whether the built-in demo provider is a backend of g.
func usesDemo(g *ir.Gateway) bool {
	return slices.ContainsFunc(g.Backends, func(b ir.Backend) bool { return b.Demo })
}
