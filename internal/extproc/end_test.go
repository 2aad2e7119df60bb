package extproc

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/spanway/spanway/internal/xds"
)

const (
	ask    = `{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi!"}]}`
	frame1 = `data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Yes"},"finish_reason":null}]}` + "\n\n"
	frame2 = `data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	done   = "data: [DONE]\n\n"
)

var stream200 = []string{"content-type", "text/event-stream", "transfer-encoding", "chunked"}

// streaming is a call whose streamed response has begun.
func (f *front) streaming() *call {
	f.t.Helper()
	c := f.call(ask)
	c.answered(1, "200", stream200...)
	c.head(false, "200", viaProvider, stream200...)
	c.body(frame1, false)
	if c.recv().GetResponseHeaders() == nil {
		f.t.Fatal("the head is not answered")
	}
	if text, _ := c.piece(); text != frame1 {
		f.t.Fatalf("piece %q", text)
	}
	return c
}

// TestLost has R's stream end at each point of a call, with the log's word and without.
func TestLost(t *testing.T) {
	for _, tt := range []struct {
		name string
		want string
		do   func(f *front) *call
	}{
		{"before the body", "client_gone", func(f *front) *call { return f.begin(false) }},
		{"before an attempt", "client_gone | a client_gone", func(f *front) *call { return f.call(chat) }},
		{"before the head", "client_gone | a client_gone", func(f *front) *call {
			c := f.call(chat)
			c.asked(1)
			c.ended(clientGone)
			return c
		}},
		{"between two attempts", "client_gone | a 503", func(f *front) *call {
			c := f.call(chat)
			c.answered(1, "503", jsonType...)
			return c
		}},
		{"after U saw the head", "client_gone | a client_gone", func(f *front) *call {
			c := f.call(chat)
			c.answered(1, "200", jsonType...)
			return c
		}},
		{"after R saw the head", "upstream_cut 502 | a reset", func(f *front) *call {
			c := f.call(chat)
			c.answered(1, "200", jsonType...)
			c.head(false, "200", viaProvider, jsonType...)
			c.ended(notHTTP)
			return c
		}},
		{"in the stream, client gone", "client_gone 200 | a client_gone", func(f *front) *call {
			c := f.streaming()
			c.ended(clientGone)
			return c
		}},
		{"in the stream, cut", "upstream_cut 200 | a reset", func(f *front) *call {
			c := f.streaming()
			c.ended(notHTTP)
			return c
		}},
		{"in the stream, no word", "client_gone 200 | a client_gone", func(f *front) *call { return f.streaming() }},
		{"after the last event", "ok 200 | a 200", func(f *front) *call {
			c := f.streaming()
			c.body(frame2+done, false)
			c.piece()
			c.ended(clientGone)
			return c
		}},
		{"after the end", "ok 200 | a 200", func(f *front) *call {
			c := f.streaming()
			c.body(frame2+done, true)
			c.piece()
			return c
		}},
		{"after a refusal", "client_error 400", func(f *front) *call {
			c := f.call("not JSON")
			if c.answer.GetImmediateResponse() == nil {
				t.Errorf("answered with %v", c.answer)
			}
			return c
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, "")
			c := tt.do(f)
			c.close()
			f.trace(tt.want)
		})
	}
}

// TestHalfClosed has Envoy end its side of R only, as it does where a client has gone.
func TestHalfClosed(t *testing.T) {
	f := start(t, "")
	c := f.streaming()
	c.ended(clientGone)
	if err := c.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := c.gone(); !errors.Is(err, io.EOF) {
		t.Errorf("R ends with %v", err)
	}
	f.trace("client_gone 200 | a client_gone")
}

// TestLogFirst has the log tell of a call's end before the stream does, and long after it.
func TestLogFirst(t *testing.T) {
	f := start(t, "")
	c := f.streaming()
	c.ended(notHTTP)
	c.until(func(x *session) bool { return x.logged })
	c.close()
	f.trace("upstream_cut 200 | a reset")
	c.ended(clientGone) // of no call any more
	f.call(chat).finish(1)
	f.trace("ok 200 | a 200")
}

// TestTimers ends calls that take too long.
func TestTimers(t *testing.T) {
	for _, tt := range []struct {
		name, route, want string
		do                func(f *front)
	}{
		{"no head in the time of the whole call", "timeout: {request: 30ms}", "timeout 504 | a timeout", func(f *front) {
			c := f.call(chat)
			c.asked(1)
			c.immediate(504, "longer than the route allows")
		}},
		{"between attempts", "timeout: {request: 50ms}", "timeout 504 | a 503", func(f *front) {
			c := f.call(chat)
			c.answered(1, "503", jsonType...)
			c.immediate(504, "longer than the route allows")
		}},
		{"in the stream", "timeout: {request: 50ms}", "timeout 200 | a timeout", func(f *front) {
			c := f.streaming()
			if text, end := c.piece(); !end || !strings.Contains(text, `"code":"timeout"`) {
				f.t.Errorf("the client gets %q, end %v", text, end)
			}
			c.body(frame2, true) // on its way
			c.close()
		}},
		{"idle before the first piece", "timeout: {idle: 30ms}", "timeout 504 | a timeout", func(f *front) {
			c := f.call(ask)
			c.answered(1, "200", stream200...)
			c.head(false, "200", viaProvider, stream200...)
			c.immediate(504, "did not go on in time")
		}},
		{"idle in the stream", "timeout: {idle: 40ms}", "timeout 200 | a timeout", func(f *front) {
			c := f.streaming()
			for range 5 {
				<-time.After(15 * time.Millisecond)
				c.body(frame1, false)
				c.piece()
			}
			if text, end := c.piece(); !end || !strings.Contains(text, "did not go on in time") {
				f.t.Errorf("the client gets %q, end %v", text, end)
			}
		}},
		{"idle in a body that cannot say so", "timeout: {idle: 30ms}", "timeout 200 | a timeout", func(f *front) {
			c := f.call(chat)
			c.answered(1, "200", jsonType...)
			c.head(false, "200", viaProvider, jsonType...)
			c.body(completion[:20], false)
			c.recv()
			c.piece()
			if err := c.gone(); status.Code(err) != codes.Canceled && status.Code(err) != codes.Aborted {
				f.t.Errorf("R ends with %v", err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, tt.route)
			tt.do(f)
			f.trace(tt.want)
		})
	}
}

// TestShutdown ends calls at each point because the process ends.
func TestShutdown(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		do         func(f *front) *call
		told       func(c *call)
	}{
		{"before the body", "shutdown 503", func(f *front) *call { return f.begin(false) }, func(c *call) { c.immediate(503, "shutting down") }},
		{"before the head", "shutdown 503 | a shutdown", func(f *front) *call {
			c := f.call(chat)
			c.asked(1)
			return c
		}, func(c *call) { c.immediate(503, "shutting down") }},
		{"in the stream", "shutdown 200 | a shutdown", func(f *front) *call { return f.streaming() }, func(c *call) {
			if text, end := c.piece(); !end || !strings.Contains(text, `"code":"shutdown"`) {
				c.f.t.Errorf("the client gets %q, end %v", text, end)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, "")
			c := tt.do(f)
			ended := make(chan error)
			go func() { ended <- f.Shutdown(10 * time.Millisecond) }()
			tt.told(c)
			c.close()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			f.trace(tt.want)
		})
	}
	t.Run("within the drain", func(t *testing.T) {
		f := start(t, "")
		c := f.streaming()
		ended := make(chan error)
		go func() { ended <- f.Shutdown(10 * time.Second) }()
		c.body(frame2+done, true)
		if _, end := c.piece(); !end {
			t.Error("the stream has no end")
		}
		c.close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		f.trace("ok 200 | a 200")
	})
}

// TestReload lets a call end on the configuration that it began with.
func TestReload(t *testing.T) {
	f := start(t, "")
	c := f.call(chat)
	f.configure(strings.NewReplacer("a.test", "new.test", "sk-house-a", "sk-new").Replace(conf("")))
	u := c.attempt(1)
	u.ask()
	if got := mutated(u.recv().GetRequestHeaders().GetResponse().GetHeaderMutation()); !strings.Contains(got, "sk-house-a") {
		t.Errorf("an old call gets\n%s", got)
	}
	fresh := f.call(chat)
	if fresh.plan[0] == c.plan[0] {
		t.Errorf("another place has the same cluster: %s", fresh.plan[0])
	}
	fresh.finish(1)
	f.trace("ok 200 | a 200")
	c.close()
	f.trace("client_gone | a client_gone")
}

// TestHeadsWithoutBodies are responses that have none.
func TestHeadsWithoutBodies(t *testing.T) {
	f := start(t, "")
	c := f.begin(true, ":method", "HEAD", ":path", "/r/v1/models/m")
	c.planned()
	if c.answer.GetRequestHeaders() == nil || len(c.plan) == 0 {
		t.Fatalf("a request without a body is answered with %v", c.answer)
	}
	u := c.attempt(1)
	u.send(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{
		Headers: headers(":method", "HEAD", ":path", "/r/v1/models/m"), EndOfStream: true}}})
	if m := u.recv(); m.DynamicMetadata != nil || m.GetRequestHeaders().GetResponse().GetBodyMutation() != nil {
		t.Errorf("a HEAD goes out with a body: %v", m)
	}
	u.head(true, "200", nil, append(jsonType, "content-length", "12")...)
	u.recv()
	c.head(true, "200", viaProvider, append(jsonType, "content-length", "12")...)
	if m := c.recv().GetResponseHeaders(); m == nil || len(m.GetResponse().GetHeaderMutation().GetRemoveHeaders()) > 0 {
		t.Errorf("the head is answered with %v", m)
	}
	f.trace("ok 200 | a 200")
}

// TestTrailers go no further, and end the body.
func TestTrailers(t *testing.T) {
	f := start(t, "")
	c := f.streaming()
	c.body(frame2+done, false)
	c.piece()
	c.send(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseTrailers{ResponseTrailers: &extprocv3.HttpTrailers{Trailers: headers("x-sum", "1")}}})
	if _, end := c.piece(); !end {
		t.Error("the body has no end")
	}
	f.trace("ok 200 | a 200")
}

// TestCompressed decodes what a provider compresses all the same, each event as it comes.
func TestCompressed(t *testing.T) {
	f := start(t, "")
	c := f.call(ask)
	gz := append(append([]string(nil), stream200...), "content-encoding", "gzip")
	c.answered(1, "200", gz...)
	c.head(false, "200", viaProvider, gz...)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(frame1))
	_ = z.Flush()
	c.body(b.String(), false)
	if got := mutated(c.recv().GetResponseHeaders().GetResponse().GetHeaderMutation()); !strings.Contains(got, "-content-encoding") {
		t.Errorf("R changes of the head: %s", got)
	}
	if text, _ := c.piece(); text != frame1 {
		t.Errorf("the client gets %q", text)
	}
	b.Reset()
	_, _ = z.Write([]byte(frame2 + done))
	_ = z.Close()
	c.body(b.String(), true)
	got := ""
	for {
		text, end := c.piece()
		if got += text; end {
			break
		}
	}
	if got != frame2+done {
		t.Errorf("the client gets %q", got)
	}
	f.trace("ok 200 | a 200")

	c = f.call(ask)
	c.answered(1, "200", gz...)
	c.head(false, "200", viaProvider, gz...)
	c.body("this is not gzip, though its head says so", false)
	c.immediate(502, "ended before its end")
	f.trace("upstream_cut 502 | a malformed")
}

// broken is a stream on which sending panics once.
type broken struct {
	grpc.ServerStream

	ctx  context.Context
	in   []*extprocv3.ProcessingRequest
	sent []*extprocv3.ProcessingResponse
	at   int // the message that is not sent
}

func (b *broken) Context() context.Context { return b.ctx }

func (b *broken) RecvMsg(m any) error {
	if len(b.in) == 0 {
		return io.EOF
	}
	in, err := proto.Marshal(b.in[0])
	b.in = b.in[1:]
	return errors.Join(err, newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(in)}, m))
}

func (b *broken) SendMsg(m any) error {
	if b.at--; b.at == 0 {
		panic("broken")
	}
	data, err := newCodec().Marshal(m)
	var sent extprocv3.ProcessingResponse
	b.sent = append(b.sent, &sent)
	return errors.Join(err, proto.Unmarshal(data.Materialize(), &sent))
}

func requestOf(body string) []*extprocv3.ProcessingRequest {
	return []*extprocv3.ProcessingRequest{
		{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{Headers: headers(":method", "POST", ":path", "/r/v1/chat/completions", ":authority", "x", ":scheme", "http")}}},
		{Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{Body: []byte(body), EndOfStream: true}}},
	}
}

// TestPanic makes a call panic: it is answered in the client's dialect, or broken off, and its trace is whole.
func TestPanic(t *testing.T) {
	f := start(t, "")
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(xds.RoleKey, xds.RoleR))
	b := &broken{ctx: ctx, in: requestOf(chat), at: 2}
	if err := f.Server.process(b); err != nil {
		t.Errorf("R ends with %v", err)
	}
	if len(b.sent) != 2 || b.sent[1].GetImmediateResponse().GetStatus().GetCode() != http.StatusInternalServerError {
		t.Errorf("R sent %v", b.sent)
	}
	f.trace("upstream_error 500 | a ?")
	b = &broken{ctx: ctx, in: requestOf("not JSON"), at: 2} // the reply itself
	if err := f.Server.process(b); status.Code(err) != codes.Aborted {
		t.Errorf("R ends with %v", err)
	}
	f.trace("client_error 400")
}
