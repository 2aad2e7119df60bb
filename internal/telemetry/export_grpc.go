package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/spanway/spanway/internal/ir"
)

// exportMethod is the RPC of opentelemetry-proto, collector/trace/v1/trace_service.proto.
const exportMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// grpcTransport sends OTLP over gRPC.
type grpcTransport struct {
	target  string
	options []grpc.DialOption
	headers metadata.MD
	conn    *grpc.ClientConn
}

func newGRPCTransport(c ir.OTLP, version string) (*grpcTransport, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, err
	}
	creds := insecure.NewCredentials()
	if u.Scheme == "https" {
		config, err := tlsConfig(c.TLS)
		if err != nil {
			return nil, err
		}
		creds = credentials.NewTLS(config)
	}
	t := &grpcTransport{target: u.Host, headers: metadata.MD{}}
	for name, value := range c.Headers {
		t.headers.Set(name, string(value))
	}
	t.options = []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithUserAgent("spanway/" + version),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: backoffBase, Multiplier: 1.6, Jitter: 0.2, MaxDelay: backoffMax},
			MinConnectTimeout: backoffMax,
		}),
	}
	if c.Compression == compressionGzip {
		//nolint:staticcheck // The other way is a process-wide registry, whose gzip spends several times the time.
		t.options = append(t.options, grpc.WithCompressor(&gzipCompressor{}))
	}
	return t, t.dial()
}

func (t *grpcTransport) dial() (err error) {
	t.conn, err = grpc.NewClient(t.target, t.options...)
	return err
}

func (t *grpcTransport) export(ctx context.Context, req []byte) (rejected int, err error) {
	var res tracepb.ExportTraceServiceResponse
	if err := t.conn.Invoke(metadata.NewOutgoingContext(ctx, t.headers), exportMethod, req, &res); err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			// A connection that hangs may never answer again: the next export takes another.
			t.close()
			if err := t.dial(); err != nil {
				return 0, &exportError{err: err}
			}
		}
		return 0, grpcError(err)
	}
	return int(res.GetPartialSuccess().GetRejectedSpans()), nil
}

func (t *grpcTransport) close() { _ = t.conn.Close() }

// grpcError sorts err (OTLP specification, OTLP/gRPC Response). RESOURCE_EXHAUSTED is always retried: the specification asks
// for that with RetryInfo only, but collectors out of memory leave it out, and giving up would lose what the queue can keep.
func grpcError(err error) *exportError {
	st := status.Convert(err)
	e := &exportError{err: err}
	switch st.Code() {
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss:
		e.retry = true
	case codes.ResourceExhausted:
		e.retry = true
		e.tooLarge = strings.Contains(st.Message(), "larger than max")
	}
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			e.after = max(info.GetRetryDelay().AsDuration(), 0)
		}
	}
	return e
}

// rawCodec sends bytes that are encoded already.
type rawCodec struct{}

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("marshal %T: not bytes", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("unmarshal %T: not a message", v)
	}
	return proto.Unmarshal(data.Materialize(), m)
}

func (rawCodec) Name() string { return "proto" }

// gzipCompressor compresses at the fastest level. Exports are few and large, and spans repeat themselves: a better level
// gains little. The zero value is ready to use; it is safe for concurrent use.
type gzipCompressor struct{ writers sync.Pool }

// Do appends p, compressed, to w.
func (c *gzipCompressor) Do(w io.Writer, p []byte) error {
	z, ok := c.writers.Get().(*gzip.Writer)
	if ok {
		z.Reset(w)
	} else {
		var err error
		if z, err = gzip.NewWriterLevel(w, gzip.BestSpeed); err != nil {
			return err
		}
	}
	defer c.writers.Put(z)
	if _, err := z.Write(p); err != nil {
		return err
	}
	return z.Close()
}

// Type is the name of the compression on the wire.
func (c *gzipCompressor) Type() string { return "gzip" }
