package extproc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/provider"
	"github.com/spanway/spanway/internal/telemetry"
	"github.com/spanway/spanway/internal/xds"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// front plays Envoy's part over a Unix socket, in orders that a real one seldom gives.
type front struct {
	*Server
	t      *testing.T
	conn   *grpc.ClientConn
	traces chan string
	logs   map[string]accesslogv3.AccessLogService_StreamAccessLogsClient
}

const twoBackends = `telemetry: {traces: []}
limits: {body: 10KiB}
backends:
  a: {provider: openai, url: "http://a.test", key: sk-house-a}
  b: {provider: anthropic, url: "https://b.test", key: sk-house-b}
routes:
  - name: r
    match: {path: /r}
    %s
    retry: {attempts: 3, backoff: {base: 1ms, max: 2s}}
    lossy: allow
`

func conf(route string) string {
	if !strings.Contains(route, "targets:") {
		route += "\n    targets: [[{backend: a}], [{backend: b}]]"
	}
	return fmt.Sprintf(twoBackends, route)
}

// start runs a server of twoBackends with more said of the route.
func start(t *testing.T, route string) *front {
	t.Helper()
	f := &front{t: t, traces: make(chan string, 16), logs: map[string]accesslogv3.AccessLogService_StreamAccessLogsClient{}}
	f.Server = New(slog.New(slog.NewTextHandler(t.Output(), nil)))
	f.configure(conf(route))
	dir, err := os.MkdirTemp("", "x") //nolint:usetesting // a test's own folder has too long a path for a socket
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- f.Serve(ln) }()
	f.conn, err = grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = f.conn.Close()
		if err := f.Shutdown(time.Second); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		_ = os.RemoveAll(dir)
		if n := f.Running(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
	return f
}

func (f *front) configure(conf string) {
	f.t.Helper()
	g, err := ir.Load("test.yaml", []byte(conf), ir.LoadOptions{Providers: provider.Names()})
	if err != nil {
		f.t.Fatal(err)
	}
	snapshot, err := gateway.Compile(g, &gateway.Env{})
	if err != nil {
		f.t.Fatal(err)
	}
	traces, err := telemetry.New(f.t.Context(), g.Telemetry, telemetry.Options{Version: "test", Logger: slog.New(slog.DiscardHandler),
		Console: func(tr *telemetry.Trace) { f.traces <- summary(tr) }})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.Apply(f.t.Context(), g, snapshot, traces); err != nil {
		f.t.Fatal(err)
	}
}

// summary is a trace in one line: the outcome and status of the call, and the attempts, each with its status or its failure.
func summary(tr *telemetry.Trace) string {
	root := &tr.Spans[0]
	out := root.Get(telemetry.SpanwayOutcome).Str
	if a := root.Get(telemetry.HTTPResponseStatusCode); a != nil {
		out += fmt.Sprint(" ", a.Int())
	}
	for i := range tr.Spans {
		s := &tr.Spans[i]
		if s.End.IsZero() {
			out += " UNENDED " + s.Name
		}
		if s.Get(telemetry.SpanwayAttempt) == nil {
			continue
		}
		word := "?"
		if a := s.Get(telemetry.ErrorType); a != nil {
			word = a.Str
		} else if a := s.Get(telemetry.HTTPResponseStatusCode); a != nil {
			word = fmt.Sprint(a.Int())
		}
		out += " | " + s.Get(telemetry.SpanwayBackend).Str + " " + word
	}
	return out
}

// trace waits for the next trace and holds it to want.
func (f *front) trace(want string) {
	f.t.Helper()
	select {
	case got := <-f.traces:
		if got != want {
			f.t.Errorf("trace %q, want %q", got, want)
		}
	case <-time.After(5 * time.Second):
		f.t.Errorf("no trace, want %q", want)
	}
}

// stream is one stream of the processor's.
type stream struct {
	extprocv3.ExternalProcessor_ProcessClient
	f     *front
	close context.CancelFunc
}

func (f *front) open(md ...string) *stream {
	f.t.Helper()
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(f.t.Context(), md...))
	f.t.Cleanup(cancel)
	s, err := extprocv3.NewExternalProcessorClient(f.conn).Process(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	return &stream{ExternalProcessor_ProcessClient: s, f: f, close: cancel}
}

func (s *stream) send(m *extprocv3.ProcessingRequest) {
	s.f.t.Helper()
	if err := s.Send(m); err != nil && !errors.Is(err, io.EOF) {
		s.f.t.Fatal(err)
	}
}

// recv waits for the next message.
func (s *stream) recv() *extprocv3.ProcessingResponse {
	s.f.t.Helper()
	m, err := s.Recv()
	if err != nil {
		s.f.t.Fatalf("no answer: %v", err)
	}
	return m
}

func headers(fields ...string) *corev3.HeaderMap {
	m := &corev3.HeaderMap{}
	for i := 0; i < len(fields); i += 2 {
		m.Headers = append(m.Headers, &corev3.HeaderValue{Key: fields[i], RawValue: []byte(fields[i+1])})
	}
	return m
}

func attrs(kv ...any) map[string]*structpb.Struct {
	m := map[string]any{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i].(string)] = kv[i+1]
	}
	s, err := structpb.NewStruct(m)
	if err != nil {
		panic(err)
	}
	return map[string]*structpb.Struct{"envoy.filters.http.ext_proc": s}
}

const chat = `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"Hi!"}]}`

// call is a call as Envoy has it.
type call struct {
	*stream
	id   string
	plan []string
	// answer is the answer to the request.
	answer *extprocv3.ProcessingResponse
}

// begin opens R and sends the request's head.
func (f *front) begin(end bool, fields ...string) *call {
	f.t.Helper()
	c := &call{stream: f.open(xds.RoleKey, xds.RoleR, xds.ConnectionKey, "7")}
	fields = append([]string{":method", "POST", ":path", "/r/v1/chat/completions?key=sk-client", ":authority", "gw.test", ":scheme", "http",
		"authorization", "Bearer sk-client", "content-length", fmt.Sprint(len(chat)), "x-forwarded-proto", "http", "x-request-id", "0c1b"}, fields...)
	c.send(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{
		Headers: headers(fields...), EndOfStream: end}},
		Attributes: attrs("source.address", "192.0.2.7:4711", "request.protocol", "HTTP/1.1", "request.time", time.Now().Format(time.RFC3339Nano))})
	if !end {
		if c.recv().GetRequestHeaders() == nil {
			f.t.Fatal("the head of a request is not answered")
		}
	}
	return c
}

// call opens R with a whole request.
func (f *front) call(body string) *call {
	f.t.Helper()
	c := f.begin(false)
	c.send(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{Body: []byte(body), EndOfStream: true}}})
	c.planned()
	return c
}

// planned takes the answer to the request.
func (c *call) planned() {
	c.answer = c.recv()
	fields := c.answer.DynamicMetadata.GetFields()
	c.id = fields[xds.Namespace].GetStructValue().GetFields()["call"].GetStringValue()
	c.plan = planOf(c.answer)
}

func planOf(m *extprocv3.ProcessingResponse) (plan []string) {
	for _, g := range m.DynamicMetadata.GetFields()[xds.Plan].GetStructValue().GetFields()["priority_groups"].GetListValue().GetValues() {
		plan = append(plan, g.GetStructValue().GetFields()["clusters"].GetListValue().GetValues()[0].GetStructValue().GetFields()["cluster_name"].GetStringValue())
	}
	return plan
}

// attempt opens U for the attempt number n at its place of the plan.
func (c *call) attempt(n int) *stream { return c.attemptAt(n, c.plan[n-1]) }

func (c *call) attemptAt(n int, cluster string) *stream {
	return c.f.open(xds.RoleKey, xds.RoleU, xds.CallKey, c.id, xds.ClusterKey, cluster, xds.AttemptKey, fmt.Sprint(n))
}

// ask sends U the head that Envoy shows.
func (s *stream) ask() {
	s.send(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{
		Headers: headers(":method", "POST", ":path", "/r/v1/chat/completions", ":authority", "gw.test", ":scheme", "http", "x-request-id", "0c1b",
			xds.RouteHeader, "r", "x-api-key", "sk-of-another-attempt")}}})
}

// asked opens U, and takes what it wants sent.
func (c *call) asked(n int) *stream {
	c.f.t.Helper()
	u := c.attempt(n)
	u.ask()
	if m := u.recv(); m.GetRequestHeaders() == nil {
		c.f.t.Fatalf("attempt %d is answered with %v", n, m)
	}
	return u
}

// head sends a response's head.
func (s *stream) head(end bool, code string, a map[string]*structpb.Struct, fields ...string) {
	s.send(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: &extprocv3.HttpHeaders{
		Headers: headers(append([]string{":status", code}, fields...)...), EndOfStream: end}}, Attributes: a})
}

// answered opens U, takes what it wants sent, and answers it with a head. It returns what U makes of that.
func (c *call) answered(n int, code string, fields ...string) *extprocv3.ProcessingResponse {
	c.f.t.Helper()
	u := c.asked(n)
	u.head(false, code, nil, append(fields, xds.ProtocolHeader, "HTTP/1.1")...)
	m := u.recv()
	u.close()
	return m
}

// local has Envoy reply by itself.
func (c *call) local(code, details string, flags, attempts float64) {
	c.head(false, code, attrs("response.code_details", details, "response.flags", flags, "upstream.request_attempt_count", attempts),
		"content-type", "text/plain")
}

var viaProvider = attrs("response.code_details", "via_upstream", "response.flags", 0.0, "upstream.request_attempt_count", 1.0)

func (s *stream) body(text string, end bool) {
	s.send(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: &extprocv3.HttpBody{Body: []byte(text), EndOfStream: end}}})
}

// piece is what R sends of the body.
func (s *stream) piece() (text string, end bool) {
	s.f.t.Helper()
	m := s.recv().GetResponseBody().GetResponse().GetBodyMutation().GetStreamedResponse()
	if m == nil {
		s.f.t.Fatal("no piece of the body")
	}
	return string(m.Body), m.EndOfStream
}

// immediate holds the next message to a reply of the gateway's own.
func (s *stream) immediate(code int, contains string) {
	s.f.t.Helper()
	m := s.recv()
	r := m.GetImmediateResponse()
	if r == nil || int(r.Status.Code) != code || !strings.Contains(string(r.Body), contains) {
		s.f.t.Errorf("got %v, want an immediate response %d with %s", m, code, contains)
	}
}

// log has Envoy write into an access log.
func (f *front) log(name string, p *datav3.AccessLogCommon) {
	f.t.Helper()
	s := f.logs[name]
	m := &accesslogv3.StreamAccessLogsMessage{LogEntries: &accesslogv3.StreamAccessLogsMessage_HttpLogs{HttpLogs: &accesslogv3.StreamAccessLogsMessage_HTTPAccessLogEntries{
		LogEntry: []*datav3.HTTPAccessLogEntry{{CommonProperties: p}}}}}
	if s == nil {
		var err error
		if s, err = accesslogv3.NewAccessLogServiceClient(f.conn).StreamAccessLogs(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
		f.logs[name] = s
		m.Identifier = &accesslogv3.StreamAccessLogsMessage_Identifier{LogName: name}
	}
	if err := s.Send(m); err != nil {
		f.t.Fatal(err)
	}
}

// failed has Envoy write why an attempt failed.
func (c *call) failed(cluster string, flags *datav3.ResponseFlags) {
	c.f.log(xds.AttemptLog, &datav3.AccessLogCommon{UpstreamCluster: cluster, ResponseFlags: flags, StartTime: timestamppb.Now(),
		CustomTags: map[string]string{xds.ConnectionTag: "7"}})
}

// ended has Envoy write how the call ended.
func (c *call) ended(flags *datav3.ResponseFlags) {
	c.f.log(xds.CallLog, &datav3.AccessLogCommon{ResponseFlags: flags, Metadata: &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{
		xds.Namespace: {Fields: map[string]*structpb.Value{"call": structpb.NewStringValue(c.id)}}}}})
}

// until waits until something holds of the call's session, which is locked meanwhile.
func (c *call) until(holds func(x *session) bool) {
	c.f.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(5 * time.Second); ; {
		x := c.f.sessions.of(c.id)
		if x == nil {
			c.f.t.Fatal("the session is gone")
		}
		x.mu.Lock()
		ok := holds(x)
		x.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			c.f.t.Fatal("what was waited for does not happen")
		}
	}
}

// reported waits until the log has told of n attempts.
func (c *call) reported(n int) {
	c.f.t.Helper()
	c.until(func(x *session) bool { return len(x.reports) == n })
}

// mutated is what a mutation sets and removes, sorted, one to a line.
func mutated(m *extprocv3.HeaderMutation) string {
	var out []string
	for _, o := range m.GetSetHeaders() {
		out = append(out, strings.ToLower(o.Header.Key)+": "+string(o.Header.RawValue))
	}
	for _, k := range m.GetRemoveHeaders() {
		out = append(out, "-"+k)
	}
	sort.Strings(out)
	return strings.Join(out, "\n")
}

const completion = `{"id":"c-1","object":"chat.completion","model":"m-1","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}`

var jsonType = []string{"content-type", "application/json", "server", "them"}

// gone waits for a stream's end.
func (s *stream) gone() error {
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
}
