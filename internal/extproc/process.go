package extproc

import (
	"context"
	"runtime/debug"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/spanway/spanway/internal/xds"
)

// service is Envoy's ExternalProcessor, with the messages of this package in place of the generated ones.
func (s *Server) service() *grpc.ServiceDesc {
	generated := &extprocv3.ExternalProcessor_ServiceDesc
	return &grpc.ServiceDesc{ServiceName: generated.ServiceName, HandlerType: (*any)(nil), Metadata: generated.Metadata, Streams: []grpc.StreamDesc{{
		StreamName: generated.Streams[0].StreamName, ServerStreams: true, ClientStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error { return s.process(stream) }}}}
}

// process carries one stream, of a call or of an attempt. It never ends one well before Envoy does: Envoy would go on without us.
func (s *Server) process(stream grpc.ServerStream) error {
	switch told(stream, xds.RoleKey) {
	case xds.RoleR:
		return s.call(stream)
	case xds.RoleU:
		return s.try(stream)
	}
	return status.Errorf(codes.InvalidArgument, "no role: want R or U in the metadata %s", xds.RoleKey)
}

// told is what the metadata say with which Envoy opened a stream.
func told(stream grpc.ServerStream, key string) string {
	return firstOf(metadata.ValueFromIncomingContext(stream.Context(), key))
}

func firstOf(v []string) string {
	if len(v) == 0 {
		return ""
	}
	return v[0]
}

// firstPatience is how long the first message of a stream may take that has been ended: it is there, for Envoy sends it before.
const firstPatience = time.Second

// abortable is a stream's context with the way to end the stream, Recv included, from another goroutine than its handler's.
type abortable struct {
	context.Context

	abort context.CancelFunc
	seen  chan struct{} // of R: closed when its first message was read
}

type abortKey struct{}

// Value implements context.Context.
func (a *abortable) Value(key any) any {
	if key == (abortKey{}) {
		return a
	}
	return a.Context.Value(key)
}

// tapped makes every stream's context abortable. The context of R outlives its stream until the first message was read: gRPC lets
// go of what has come when a stream is ended, but a call that the client gave up at once has a trace, too.
func tapped(ctx context.Context, info *tap.Info) (context.Context, error) {
	a := &abortable{}
	if firstOf(info.Header[xds.RoleKey]) != xds.RoleR {
		a.Context, a.abort = context.WithCancel(ctx)
		return a, nil
	}
	a.seen = make(chan struct{})
	a.Context, a.abort = context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		select {
		case <-a.seen:
		case <-time.After(firstPatience):
		}
		a.abort()
	})
	return a, nil
}

// abortableOf is the context of a stream; of one without a gRPC server, in a test, it does nothing.
func abortableOf(ctx context.Context) *abortable {
	if a, ok := ctx.Value(abortKey{}).(*abortable); ok {
		return a
	}
	return &abortable{Context: ctx, abort: func() {}, seen: make(chan struct{})}
}

// caught logs a panic, and reports whether there was one.
func (s *Server) caught(failed any) bool {
	if failed == nil {
		return false
	}
	s.log.Error("call panicked", "panic", failed, "stack", string(debug.Stack()))
	return true
}
