package extproc

import (
	"context"
	"runtime/debug"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/spanway/spanway/internal/xds"
)

// processor is Envoy's ExternalProcessor.
type processor struct {
	extprocv3.UnimplementedExternalProcessorServer

	server *Server
}

// Process carries one stream, of a call or of an attempt. It never ends one well before Envoy does: Envoy would go on without us.
func (p processor) Process(stream extprocv3.ExternalProcessor_ProcessServer) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	switch first(md, xds.RoleKey) {
	case xds.RoleR:
		return p.server.call(stream, md)
	case xds.RoleU:
		return p.server.try(stream, md)
	}
	return status.Errorf(codes.InvalidArgument, "no role: want R or U in the metadata %s", xds.RoleKey)
}

func first(md metadata.MD, key string) string {
	if v := md[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// abortable is a stream's context with the way to end the stream, Recv included, from another goroutine than its handler's.
type abortable struct {
	context.Context

	abort context.CancelFunc
}

type abortKey struct{}

// Value implements context.Context.
func (a *abortable) Value(key any) any {
	if key == (abortKey{}) {
		return a.abort
	}
	return a.Context.Value(key)
}

// tapped makes every stream's context abortable.
func tapped(ctx context.Context, _ *tap.Info) (context.Context, error) {
	ctx, cancel := context.WithCancel(ctx)
	return &abortable{Context: ctx, abort: cancel}, nil
}

func aborter(ctx context.Context) context.CancelFunc {
	if f, ok := ctx.Value(abortKey{}).(context.CancelFunc); ok {
		return f
	}
	return func() {} // in a test without a gRPC server
}

// caught logs a panic, and reports whether there was one.
func (s *Server) caught(failed any) bool {
	if failed == nil {
		return false
	}
	s.log.Error("call panicked", "panic", failed, "stack", string(debug.Stack()))
	return true
}
