package telemetry

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // what a Collector accepts
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// collector is an OTLP receiver that takes, refuses or hangs as answer says.
type collector struct {
	mu     sync.Mutex
	spans  map[string]int // by span id: how often it was taken
	names  []string
	calls  int
	header http.Header
	// answer is called for every request, before it is taken; nil takes all. It returns how many spans to refuse, or an error:
	// a gRPC status, or an httpStatus.
	answer func(ctx context.Context, call int, spans []*tracepb.Span) (rejected int64, err error)
}

type httpStatus struct {
	code       int
	retryAfter string
}

func (e httpStatus) Error() string { return http.StatusText(e.code) }

func (c *collector) take(ctx context.Context, h http.Header, req *collectorpb.ExportTraceServiceRequest) (
	*collectorpb.ExportTraceServiceResponse, error) {
	spans := spansOf(req)
	c.mu.Lock()
	c.calls++
	call := c.calls
	c.header = h
	c.mu.Unlock()
	res := &collectorpb.ExportTraceServiceResponse{}
	if c.answer != nil {
		rejected, err := c.answer(ctx, call, spans)
		if err != nil {
			return nil, err
		}
		if rejected > 0 {
			res.PartialSuccess = &collectorpb.ExportTracePartialSuccess{RejectedSpans: rejected, ErrorMessage: "no"}
			spans = spans[rejected:]
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spans == nil {
		c.spans = map[string]int{}
	}
	for _, s := range spans {
		c.spans[string(s.SpanId)]++
		c.names = append(c.names, s.Name)
	}
	return res, nil
}

func (c *collector) taken() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.spans)
}

// lockedWriter makes what several goroutines log readable.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(p)
}

type grpcReceiver struct {
	collectorpb.UnimplementedTraceServiceServer
	c *collector
}

func (r grpcReceiver) Export(ctx context.Context, req *collectorpb.ExportTraceServiceRequest) (
	*collectorpb.ExportTraceServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	h := http.Header{}
	for name, v := range md {
		h[http.CanonicalHeaderKey(name)] = v
	}
	return r.c.take(ctx, h, req)
}

// gate is a listener that can refuse connections and cut those it has.
type gate struct {
	net.Listener
	mu    sync.Mutex
	shut  bool
	conns []net.Conn
}

func newGate(t *testing.T) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &gate{Listener: l}
}

func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g.mu.Lock()
		if !g.shut {
			g.conns = append(g.conns, c)
			g.mu.Unlock()
			return c, nil
		}
		g.mu.Unlock()
		c.Close()
	}
}

// close cuts every connection and refuses new ones until open.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns {
		c.Close()
	}
	g.shut, g.conns = true, nil
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = false
}

// serveGRPC serves c over gRPC behind g and returns its endpoint.
func (c *collector) serveGRPC(t *testing.T, g *gate, options ...grpc.ServerOption) string {
	t.Helper()
	s := grpc.NewServer(options...)
	collectorpb.RegisterTraceServiceServer(s, grpcReceiver{c: c})
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(g) })
	t.Cleanup(func() {
		s.Stop()
		wg.Wait()
	})
	return "http://" + g.Addr().String()
}

// ServeHTTP takes /v1/traces in protobuf and in JSON, whose ids it takes in hexadecimal only.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	raw, err := io.ReadAll(body)
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	var req collectorpb.ExportTraceServiceRequest
	isJSON := r.Header.Get("Content-Type") == "application/json"
	if isJSON {
		err = unmarshalOTLPJSON(raw, &req)
	} else {
		err = proto.Unmarshal(raw, &req)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	res, err := c.take(r.Context(), r.Header, &req)
	var e httpStatus
	if errors.As(err, &e) {
		if e.retryAfter != "" {
			w.Header().Set("Retry-After", e.retryAfter)
		}
		w.WriteHeader(e.code)
		return
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	var out []byte
	if isJSON {
		out, _ = protojson.Marshal(res)
	} else {
		out, _ = proto.Marshal(res)
	}
	_, _ = w.Write(out)
}

// unmarshalOTLPJSON turns the ids into base64, which protojson reads.
func unmarshalOTLPJSON(raw []byte, m proto.Message) error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	var walk func(v any) error
	walk = func(v any) error {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				if err := walk(e); err != nil {
					return err
				}
			}
		case map[string]any:
			for k, e := range v {
				if s, ok := e.(string); ok && (k == "traceId" || k == "spanId" || k == "parentSpanId") {
					id, err := hex.DecodeString(s)
					if err != nil {
						return err
					}
					v[k] = base64.StdEncoding.EncodeToString(id)
				} else if err := walk(e); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := walk(v); err != nil {
		return err
	}
	again, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return protojson.Unmarshal(again, m)
}

// serve serves c for the protocol.
func (c *collector) serve(t *testing.T, protocol string) string {
	t.Helper()
	if protocol == protocolGRPC {
		return c.serveGRPC(t, newGate(t))
	}
	s := httptest.NewUnstartedServer(c)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// serveTLS serves c with a certificate that no system trusts, and returns the endpoint and the CA's file.
func (c *collector) serveTLS(t *testing.T, protocol string) (endpoint, ca string) {
	t.Helper()
	s := httptest.NewUnstartedServer(c)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	if protocol != protocolGRPC {
		return s.URL, ca
	}
	config := &tls.Config{Certificates: s.TLS.Certificates, MinVersion: tls.VersionTLS12}
	plain := c.serveGRPC(t, newGate(t), grpc.Creds(credentials.NewTLS(config)))
	return "https" + strings.TrimPrefix(plain, "http"), ca
}
