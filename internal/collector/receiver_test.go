package collector

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// The protocols of OTLP.
const (
	grpcProtocol = "grpc"
	httpProtocol = "http/protobuf"
	jsonProtocol = "http/json"
)

// receiver is an OTLP receiver that keeps account of every span. It is safe for concurrent use.
type receiver struct {
	mu     sync.Mutex
	answer answerFunc
	count  account
}

// answerFunc is asked before a request is taken: how many of its first spans are refused, or why it is refused whole, a gRPC
// status or a refusal.
type answerFunc func(ctx context.Context) (rejected int, err error)

// account is what a receiver took.
type account struct {
	spans    map[string]int // by id: how often
	repeats  int            // requests whose spans had been taken before
	rejected int64          // spans, by partial success
	largest  int            // bytes of a request
	header   http.Header    // of the last request, gRPC's metadata with its names in lower case
}

// refusal is an HTTP status.
type refusal struct {
	code       int
	retryAfter string
}

func (e refusal) Error() string { return http.StatusText(e.code) }

// serve serves the protocol at a free address until the test ends, with TLS if security is not nil.
func (r *receiver) serve(t *testing.T, protocol string, security *tls.Config) (address string) {
	t.Helper()
	r.count.spans = map[string]int{}
	if protocol != grpcProtocol {
		s := httptest.NewUnstartedServer(r)
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		if s.TLS = security; security != nil {
			s.EnableHTTP2 = true
			s.StartTLS()
		} else {
			s.Start()
		}
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(s, grpcReceiver{r: r})
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(ln) })
	t.Cleanup(func() {
		s.Stop()
		wg.Wait()
	})
	return ln.Addr().String()
}

// become makes the receiver answer with f from now on; nil takes everything.
func (r *receiver) become(f answerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// account is what was taken so far.
func (r *receiver) account() account {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.count
	a.spans = maps.Clone(a.spans)
	return a
}

// take answers a request of these spans, size bytes long.
func (r *receiver) take(ctx context.Context, h http.Header, size int, spans []string) (rejected int, err error) {
	r.mu.Lock()
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		if rejected, err = answer(ctx); err != nil {
			return 0, err
		}
	}
	rejected = min(rejected, len(spans))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.header, r.count.largest = h, max(r.count.largest, size)
	r.count.rejected += int64(rejected)
	repeated := false
	for _, id := range spans[rejected:] {
		r.count.spans[id]++
		repeated = repeated || r.count.spans[id] > 1
	}
	if repeated {
		r.count.repeats++
	}
	return rejected, nil
}

func response(rejected int) *collectorpb.ExportTraceServiceResponse {
	res := &collectorpb.ExportTraceServiceResponse{}
	if rejected > 0 {
		res.PartialSuccess = &collectorpb.ExportTracePartialSuccess{RejectedSpans: int64(rejected), ErrorMessage: "no"}
	}
	return res
}

// grpcReceiver is a receiver's gRPC service.
type grpcReceiver struct {
	collectorpb.UnimplementedTraceServiceServer
	r *receiver
}

// Export implements collectorpb.TraceServiceServer.
func (g grpcReceiver) Export(ctx context.Context, req *collectorpb.ExportTraceServiceRequest) (
	*collectorpb.ExportTraceServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	rejected, err := g.r.take(ctx, http.Header(md), proto.Size(req), spanIDs(req))
	if err != nil {
		return nil, err
	}
	return response(rejected), nil
}

func spanIDs(req *collectorpb.ExportTraceServiceRequest) (ids []string) {
	for _, rs := range req.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				ids = append(ids, string(s.SpanId))
			}
		}
	}
	return ids
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // cut: nothing can be answered
	}
	isJSON := q.Header.Get("Content-Type") == "application/json"
	ids, err := bodyIDs(body, isJSON)
	if err != nil || q.URL.Path != "/v1/traces" {
		http.Error(w, "not an OTLP request", http.StatusBadRequest)
		return
	}
	rejected, err := r.take(q.Context(), q.Header, len(body), ids)
	if err != nil {
		no := refusal{code: http.StatusInternalServerError}
		_ = errors.As(err, &no) // any other error is one of the server's own
		if no.retryAfter != "" {
			w.Header().Set("Retry-After", no.retryAfter)
		}
		w.WriteHeader(no.code)
		return
	}
	var out []byte
	if isJSON {
		out, err = protojson.Marshal(response(rejected))
	} else {
		out, err = proto.Marshal(response(rejected))
	}
	if err == nil {
		_, _ = w.Write(out) // a client that is gone asks again
	}
}

// bodyIDs are the ids of the spans in a request over HTTP.
func bodyIDs(body []byte, isJSON bool) (ids []string, err error) {
	if !isJSON {
		var req collectorpb.ExportTraceServiceRequest
		err = proto.Unmarshal(body, &req)
		return spanIDs(&req), err
	}
	var req struct {
		ResourceSpans []struct {
			ScopeSpans []struct {
				Spans []struct {
					SpanID string `json:"spanId"`
				} `json:"spans"`
			} `json:"scopeSpans"`
		} `json:"resourceSpans"`
	}
	err = json.Unmarshal(body, &req)
	for _, rs := range req.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				ids = append(ids, s.SpanID)
			}
		}
	}
	return ids, err
}
