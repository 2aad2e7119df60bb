package extproc

import (
	"net/http"
	"testing"
	"time"

	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/xds"
)

var (
	refused    = &datav3.ResponseFlags{UpstreamConnectionFailure: true}
	notHTTP    = &datav3.ResponseFlags{UpstreamProtocolError: true}
	closed     = &datav3.ResponseFlags{UpstreamConnectionTermination: true}
	clientGone = &datav3.ResponseFlags{DownstreamConnectionTermination: true}
)

const refusedDetails = "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}"

// finish has the provider answer the attempt number n, and the client get it.
func (c *call) finish(n int) {
	c.f.t.Helper()
	c.answered(n, "200", jsonType...)
	c.relay()
}

func (c *call) relay() {
	c.f.t.Helper()
	c.head(false, "200", viaProvider, jsonType...)
	c.body(completion, true)
	if c.recv().GetResponseHeaders() == nil {
		c.f.t.Fatal("the head is not answered")
	}
	if _, end := c.piece(); !end {
		c.f.t.Error("the body has no end")
	}
}

// TestOrders has the streams of attempts and the entries of the access log come in every order that Envoy may give them.
func TestOrders(t *testing.T) {
	for _, tt := range []struct {
		name  string
		want  string
		route string
		do    func(f *front, c *call)
	}{
		{"the log before the next attempt", "ok 200 | a connect | b 200", "", func(_ *front, c *call) {
			c.attempt(1).close()
			c.failed(c.plan[0], refused)
			c.reported(1)
			u := c.asked(2)
			u.close()
			c.answerB(2)
		}},
		{"the log after it", "ok 200 | a connect | b 200", "", func(_ *front, c *call) {
			u := c.attempt(2)
			u.ask()
			c.until(func(x *session) bool { return x.changed != nil }) // somebody waits
			c.failed(c.plan[0], refused)
			if u.recv().GetRequestHeaders() == nil {
				t.Error("the attempt is not made")
			}
			c.answerB(2)
		}},
		{"no log", "ok 200 | a reset | b 200", "", func(_ *front, c *call) {
			c.asked(1).close()
			c.answerB(2)
		}},
		{"no log, past the time of the head", "ok 200 | a timeout | b 200", "timeout: {firstByte: 20ms}", func(_ *front, c *call) {
			c.asked(1)
			c.until(func(x *session) bool { return time.Since(x.begun) > 20*time.Millisecond })
			c.answerB(2)
		}},
		{"an entry of another cluster", "ok 200 | a reset | b 200", "", func(_ *front, c *call) {
			c.failed("other@00000000", refused)
			c.answerB(2)
		}},
		{"the former attempt's stream last", "ok 200 | a connect | b 200", "", func(_ *front, c *call) {
			c.failed(c.plan[0], refused)
			c.reported(1)
			u2 := c.asked(2)
			u1 := c.attempt(1)
			u1.ask()
			if err := u1.gone(); status.Code(err) != codes.NotFound {
				t.Errorf("a former attempt ends with %v", err)
			}
			u2.close()
			c.answerB(2)
		}},
		{"two streams of attempts that had none", "ok 200 | a connect | b connect | a 200", "", func(_ *front, c *call) {
			c.failed(c.plan[0], refused)
			c.failed(c.plan[1], refused)
			c.reported(2)
			c.finish(3)
		}},
		{"no stream at all", "upstream_error 502 | a connect", "", func(_ *front, c *call) {
			c.local("503", refusedDetails, 32, 1)
			c.immediate(502, "could not be reached")
		}},
		{"attempts without streams", "upstream_error 502 | a reset | b connect | a connect", "", func(_ *front, c *call) {
			c.failed(c.plan[0], closed)
			c.failed(c.plan[1], refused)
			c.reported(2)
			c.local("503", refusedDetails, 32, 3)
			c.immediate(502, "3 attempts")
		}},
		{"more attempts than planned", "upstream_error 502 | a connect | b connect | a connect", "", func(_ *front, c *call) {
			c.failed(c.plan[0], refused)
			c.failed(c.plan[1], refused)
			c.failed(c.plan[2], refused)
			c.reported(3)
			u := c.attemptAt(4, c.plan[0])
			u.ask()
			u.immediate(502, "3 attempts")
			c.local("502", "spanway", 0, 4)
			c.immediate(502, "3 attempts")
		}},
		{"retried by Envoy, but not to be", "upstream_error 502 | a malformed", "", func(_ *front, c *call) {
			c.failed(c.plan[0], notHTTP)
			u := c.attempt(2)
			u.ask()
			u.immediate(502, "not HTTP")
			c.local("502", "spanway", 0, 2)
			c.immediate(502, "not HTTP")
		}},
		{"a timeout of Envoy's", "timeout 504 | a timeout", "", func(_ *front, c *call) {
			c.asked(1)
			c.local("504", "upstream_per_try_timeout", 4, 1)
			c.immediate(504, "did not answer in time")
		}},
		{"retried by status", "ok 200 | a 503 | b 200", "", func(_ *front, c *call) {
			if got := mutated(c.answered(1, "503", jsonType...).GetResponseHeaders().GetResponse().GetHeaderMutation()); got != "-x-spanway-protocol\nx-spanway-retry: 1" {
				t.Errorf("U says %q to a 503", got)
			}
			c.answerB(2)
		}},
		{"to be retried, but Envoy does not", "upstream_error 503 | a 503", "", func(_ *front, c *call) {
			c.answered(1, "503", jsonType...)
			c.head(false, "503", viaProvider, jsonType...)
			c.body(`{"error":{"message":"busy"}}`, true)
			c.recv()
			if text, end := c.piece(); !end || text != `{"error":{"message":"busy"}}` {
				t.Errorf("the client gets %q, end %v", text, end)
			}
		}},
		{"to be retried, but there is no host", "upstream_error 502 | a 503 | b connect", "", func(_ *front, c *call) {
			c.answered(1, "503", jsonType...)
			c.local("503", "no_healthy_upstream", 2, 2)
			c.immediate(502, "could not be reached")
		}},
		{"told to wait", "ok 200 | a 503 | b 503 | a 200", "", func(_ *front, c *call) {
			m := c.answered(1, "503", append(jsonType, "retry-after-ms", "100")...)
			if got := mutated(m.GetResponseHeaders().GetResponse().GetHeaderMutation()); got != "-x-spanway-protocol\nx-spanway-retry: 1" {
				t.Errorf("U says %q", got)
			}
			c.answered(2, "503", jsonType...)
			begun := time.Now()
			c.finish(3)
			if d := time.Since(begun); d < 50*time.Millisecond {
				t.Errorf("the third attempt came after %v", d)
			}
		}},
		{"told to wait for long", "ok 200 | a 503 | b 503 | a 200", "", func(_ *front, c *call) {
			c.answered(1, "503", append(jsonType, "retry-after", "2")...)
			m := c.answered(2, "503", jsonType...)
			if got := mutated(m.GetResponseHeaders().GetResponse().GetHeaderMutation()); got != "-x-spanway-protocol\nx-spanway-retry: 1\nx-spanway-wait: 1" {
				t.Errorf("U says %q", got)
			}
			c.finish(3)
		}},
		{"cut before our word on the head", "upstream_cut 502 | a reset", "", func(_ *front, c *call) {
			c.answered(1, "200", jsonType...)
			c.local("502", "upstream_reset_before_response_started{protocol_error}", 1<<23, 1)
			c.immediate(502, "ended before its end")
		}},
		{"retried before our word on the head", "upstream_cut 502 | a reset", "", func(_ *front, c *call) {
			c.answered(1, "200", jsonType...)
			u := c.attempt(2)
			u.ask()
			u.immediate(502, "ended before its end")
			c.local("502", "spanway", 0, 2)
			c.immediate(502, "ended before its end")
		}},
		{"a stream of ours broke", "upstream_error 500 | a ?", "", func(_ *front, c *call) {
			c.asked(1)
			c.local("500", "ext_proc_error_gRPC_error_13", 0, 1)
			c.immediate(500, "internal error")
		}},
		{"sent elsewhere", "upstream_error 500 | a ?", "", func(_ *front, c *call) {
			u := c.attemptAt(1, "a@00000000")
			u.ask()
			u.immediate(500, "internal error")
			c.local("500", "spanway", 0, 1)
			c.immediate(500, "internal error")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, tt.route)
			c := f.call(chat)
			tt.do(f, c)
			f.trace(tt.want)
		})
	}
}

// answerB has the provider b, which speaks another dialect, answer the attempt number n.
func (c *call) answerB(n int) {
	c.f.t.Helper()
	c.answered(n, "200", jsonType...)
	c.head(false, "200", viaProvider, jsonType...)
	c.body(`{"id":"msg_1","type":"message","role":"assistant","model":"c","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":7,"output_tokens":3}}`, true)
	if c.recv().GetResponseHeaders() == nil {
		c.f.t.Fatal("the head is not answered")
	}
	if _, end := c.piece(); !end {
		c.f.t.Error("the body has no end")
	}
}

// TestPlanRewritten has a provider ask for a pause that is longer than the route waits: what was planned for it goes to the other one.
func TestPlanRewritten(t *testing.T) {
	f := start(t, "targets: [[{backend: a}], [{backend: a}], [{backend: b}]]")
	c := f.call(chat)
	if got := namesOf(c.plan); got != "a a b" {
		t.Fatalf("the plan is %q", got)
	}
	m := c.answered(1, "503", append(jsonType, "retry-after", "60")...)
	if got := planOf(m); namesOf(got) != "a b" {
		t.Errorf("the plan is %q now", namesOf(got))
	} else {
		c.plan = got
	}
	m = c.answered(2, "503", append(jsonType, "retry-after", "60")...)
	if got := mutated(m.GetResponseHeaders().GetResponse().GetHeaderMutation()); got != "-x-spanway-protocol" {
		t.Errorf("U says %q, but nothing can follow", got)
	}
	c.head(false, "503", viaProvider, jsonType...)
	c.body(`{"type":"error","error":{"type":"overloaded_error","message":"busy"}}`, true)
	c.immediate(503, "busy")
	f.trace("upstream_error 503 | a 503 | b 503")
}

// TestStrangers are streams that belong to no call.
func TestStrangers(t *testing.T) {
	f := start(t, "")
	for _, md := range [][]string{
		{xds.RoleKey, xds.RoleU, xds.CallKey, "0123456789abcdef", xds.AttemptKey, "1"},
		{xds.RoleKey, xds.RoleU},
		{xds.RoleKey, "X"},
		nil,
	} {
		s := f.open(md...)
		s.ask()
		if err := s.gone(); status.Code(err) != codes.NotFound && status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v ends with %v", md, err)
		}
	}
	s := f.open(xds.RoleKey, xds.RoleR)
	s.body("before the head", false)
	if err := s.gone(); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a body without a head ends with %v", err)
	}
	c := f.call(chat)
	c.send(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestTrailers{}})
	if err := c.gone(); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a message out of order ends with %v", err)
	}
	f.trace("upstream_error | a ?")
}

// TestTooManyCalls refuses what the server has no place for, and keeps nothing of it.
func TestTooManyCalls(t *testing.T) {
	f := start(t, "")
	f.sessions.count.Store(maxSessions)
	s := f.open(xds.RoleKey, xds.RoleR)
	if err := s.gone(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one call too many ends with %v", err)
	}
	f.sessions.count.Store(0)
	f.call(chat).finish(1)
	f.trace("ok 200 | a 200")
}

// TestUnread is about requests whose body does not come whole.
func TestUnread(t *testing.T) {
	for _, tt := range []struct{ code, want string }{{"413", "client_error 413"}, {"408", "client_error 408"}, {"400", "client_error 400"}} {
		f := start(t, "")
		c := f.begin(false)
		c.head(false, tt.code, attrs("response.code_details", "request_payload_too_large", "response.flags", 0.0))
		if m := c.recv().GetImmediateResponse(); m == nil || m.Status.Code.Number() == 0 {
			t.Errorf("%s is answered with %v", tt.code, m)
		}
		f.trace(tt.want)
	}
	f := start(t, "")
	c := &call{stream: f.open(xds.RoleKey, xds.RoleR)}
	c.send(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{
		Headers: headers(":method", "POST", ":path", "/r/v1/chat/completions", ":authority", "x", ":scheme", "http", "content-length", "11000")}}})
	c.immediate(413, "larger than 10240 bytes")
	f.trace("client_error 413")
	c = f.begin(false)
	c.send(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{Body: make([]byte, 11<<10)}}})
	c.immediate(413, "larger than 10240 bytes")
	f.trace("client_error 413")
}

// TestTwoCallsOnOneConnection tells by their times whose attempt it was that failed.
func TestTwoCallsOnOneConnection(t *testing.T) {
	f := start(t, "")
	first := f.call(chat)
	first.until(func(x *session) bool { return time.Since(x.begun) > 20*time.Millisecond })
	second := f.call(chat)
	second.failed(second.plan[0], refused)
	second.reported(1)
	second.answerB(2)
	f.trace("ok 200 | a connect | b 200")
	first.answerB(2)
	f.trace("ok 200 | a reset | b 200")
}

// TestInvalid refuses to send what a header or a target cannot hold: Envoy would drop the whole answer.
func TestInvalid(t *testing.T) {
	good := gateway.Outgoing{Method: "POST", Path: "/v1", Query: "a=b", Host: "x.test:80", Header: http.Header{"X-A": {"b", "c d"}}}
	if !valid(&good) {
		t.Error("a good request is refused")
	}
	for _, change := range []func(o *gateway.Outgoing){
		func(o *gateway.Outgoing) { o.Header = http.Header{"Authorization": {"Bearer a\r\nX-Evil: 1"}} },
		func(o *gateway.Outgoing) { o.Header = http.Header{"X A": {"b"}} },
		func(o *gateway.Outgoing) { o.Path = "/v1 HTTP/1.1" },
		func(o *gateway.Outgoing) { o.Query = "a\nb" },
		func(o *gateway.Outgoing) { o.Host = "x/y" },
	} {
		o := good
		if change(&o); valid(&o) {
			t.Errorf("%+v is let through", o)
		}
	}
}
