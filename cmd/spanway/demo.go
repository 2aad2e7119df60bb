package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spanway/spanway/internal/demo"
)

// startDemo serves the built-in demo provider on a port of the loopback interface that the kernel picks, so that calls to it
// are as real as any.
func (r *runner) startDemo(ctx context.Context) (stop func(), err error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("demo provider: %w", err)
	}
	server := &http.Server{Handler: demo.Handler(demo.Options{}), ReadHeaderTimeout: 10 * time.Second}
	r.env.DemoURL = "http://" + ln.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ln) // ends with Close
	}()
	return func() {
		_ = server.Close()
		<-done
	}, nil
}
