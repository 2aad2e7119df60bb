package scenario

import (
	"strings"
	"testing"
	"time"
)

// outcomeCase is one way in which a call ends, told by what the providers a and b do.
type outcomeCase struct {
	name   string
	a, b   []Act  // b is an Anthropic provider
	route  string // settings of the route; "" = to a, retried without a pause
	path   string // below the route; "" = OpenAI's chat completions
	method string // "" = POST
	body   string // "" = chatBody
	atMost time.Duration
	atLast time.Duration // the call takes at least so long
	want   outcome
	envoy  func(*outcome) // what is otherwise behind Envoy, and no other way; nil = nothing
}

const (
	toA        = "to: a\nretry: {attempts: 2, backoff: {base: 0s}}"
	aThenB     = "targets: [{backend: a}, {backend: b}]\nretry: {attempts: 2, backoff: {base: 0s}}"
	openAIChat = "/v1/chat/completions"
)

func (x *outcomeCase) run(t *testing.T, p Plane) {
	if x.a == nil {
		x.a = []Act{Respond(200, jsonMedia, chatAnswer)}
	}
	if x.b == nil {
		x.b = []Act{Respond(200, jsonMedia, claudeAnswer)}
	}
	a, b := StartUpstream(t, x.a...), StartUpstream(t, x.b...)
	if x.route == "" {
		x.route = toA
	}
	if x.path == "" {
		x.path = openAIChat
	}
	if x.method == "" {
		x.method = "POST"
	}
	if x.body == "" {
		x.body = chatBody
	}
	gw := startOn(t, p, config("a: {provider: openai, url: \""+a.URL+"\", key: sk-a}\nb: {provider: anthropic, url: \""+b.URL+"\", key: sk-b, model: claude-x}\nnone: {provider: openai, url: \"http://"+Unused(t)+"\"}", x.route))
	if x.envoy != nil && p.Name() == "envoy" {
		x.envoy(&x.want)
	}
	path := x.path
	if !strings.HasPrefix(path, "//") {
		path = "/r" + path
	}
	got := send(t.Context(), newClient(t), x.method, gw.ClientURL()+path, x.body, nil)
	x.want.checkAnswer(t, &got)
	x.want.checkTrace(t, gw.Trace(t))
	if calls := a.Calls() + b.Calls(); calls != x.want.calls {
		t.Errorf("providers were called %d times, want %d", calls, x.want.calls)
	}
	if x.atMost > 0 && got.elapsed > x.atMost || got.elapsed < x.atLast {
		t.Errorf("the call took %v, want %v to %v", got.elapsed, x.atLast, x.atMost)
	}
}

func errorBody(typ, code string) string {
	return `{"error":{"message":"no","type":"` + typ + `","param":null,"code":` + code + `}}`
}

// TestOutcomes is the table of the ways in which a call ends while its client listens to the end.
func TestOutcomes(t *testing.T) {
	onPlanes(t, func(t *testing.T, p Plane) {
		for _, table := range [][]outcomeCase{goodOutcomes(), refusedOutcomes(), exhaustedOutcomes(), retriedOutcomes(), cutOutcomes(), guardOutcomes()} {
			for _, x := range table {
				t.Run(x.name, func(t *testing.T) {
					t.Parallel()
					x.run(t, p)
				})
			}
		}
	})
}

func goodOutcomes() []outcomeCase {
	usage := [2]int64{7, 3}
	ok := outcome{status: 200, calls: 1, outcome: "ok", attempts: []string{""}, provider: "openai", usage: usage, server: -1}
	with := func(f func(*outcome)) outcome { o := ok; f(&o); return o }
	return []outcomeCase{
		{name: "ok unary", want: with(func(o *outcome) { o.body = chatAnswer })},
		{name: "ok streamed", a: []Act{Stream(sseMedia, 0, frame1, frame2, frame3, frameDone)}, body: streamBody,
			want: with(func(o *outcome) { o.body = frame1 + frame2 + frame3 + frameDone })},
		{name: "ok streamed with CR LF, slowly, cut anywhere", a: []Act{Stream(sseMedia, 5*time.Millisecond,
			crlf(frame1)[:40], crlf(frame1)[40:]+crlf(frame2)[:3], crlf(frame2)[3:], crlf(frame3+frameDone))}, body: streamBody,
			want: with(func(o *outcome) { o.body = crlf(frame1 + frame2 + frame3 + frameDone) })},
		{name: "ok translated", route: "to: b", want: with(func(o *outcome) {
			o.provider, o.contains = "anthropic", []string{`"object":"chat.completion"`, `"content":"hello"`, `"finish_reason":"stop"`}
		})},
		{name: "ok streamed and translated", route: "to: b", b: []Act{Stream(sseMedia, 0, claudeStart, claudeEnd)}, body: streamBody,
			want: with(func(o *outcome) {
				o.provider, o.contains = "anthropic", []string{`"object":"chat.completion.chunk"`, `"content":"hello"`, "data: [DONE]\n\n"}
			})},
		{name: "ok until the connection closes", a: []Act{Raw(HeadText(200, "Content-Type: "+jsonMedia, "Connection: close") + chatAnswer)},
			want: with(func(o *outcome) { o.body = chatAnswer })},
		{name: "ok HTTP/1.0 provider", a: []Act{Raw("HTTP/1.0 200 OK\r\nContent-Type: " + jsonMedia + "\r\n\r\n" + chatAnswer)},
			want: with(func(o *outcome) { o.body = chatAnswer })},
		{name: "ok after 100 Continue", a: []Act{Raw("HTTP/1.1 100 Continue\r\n\r\n" + ResponseText(200, jsonMedia, chatAnswer))},
			want: with(func(o *outcome) { o.body = chatAnswer })},
		{name: "ok gzip all the same", a: []Act{Respond(200, jsonMedia, gzipped(chatAnswer), "Content-Encoding: gzip")},
			want: with(func(o *outcome) { o.body = chatAnswer })},
		{name: "ok passing through", path: "/v1/files/f-1", method: "GET", a: []Act{Respond(200, "text/plain", "data")},
			want: outcome{status: 200, calls: 1, body: "data", outcome: "ok", noChat: true, attempts: []string{""}, server: -1}},
		{name: "weight 0 is never asked", route: "targets: [[{backend: none, weight: 0}, {backend: a, weight: 1}]]",
			want: with(func(o *outcome) { o.body = chatAnswer })},
	}
}

func refusedOutcomes() []outcomeCase {
	refused := func(status int, name, typ string, contains ...string) outcome {
		return outcome{status: status, contains: contains, outcome: name, errorType: typ, server: -1}
	}
	provider := func(status, calls int, name, typ string) outcome {
		o := outcome{status: status, calls: calls, outcome: name, errorType: typ, server: -1, provider: "openai"}
		for range calls {
			o.attempts = append(o.attempts, statusText(status))
		}
		return o
	}
	parse := refused(400, "client_error", "", `"type":"invalid_request_error"`)
	parse.noChat = true
	lost := refused(404, "client_error", "", `"code":"route_not_found"`)
	lost.noChat = true
	cases := []outcomeCase{
		{name: "parse error", body: `{"model":`, want: parse},
		{name: "no route", path: "//elsewhere/v1/chat/completions", want: lost},
		{name: "unknown model", route: "to: a\nmatch: {path: /r, model: other}", want: refused(404, "client_error", "model_not_found", `"code":"model_not_found"`, "m-1")},
		{name: "429 that asks for too long", a: []Act{Respond(429, jsonMedia, errorBody("requests", `"rate_limit_exceeded"`), "Retry-After: 100")},
			atMost: 2 * time.Second, want: provider(429, 1, "rate_limited", "rate_limit_exceeded")},
		{name: "429 to the end", a: []Act{Respond(429, jsonMedia, errorBody("requests", `"rate_limit_exceeded"`))},
			want: provider(429, 2, "rate_limited", "rate_limit_exceeded")},
		{name: "500 to the end", a: []Act{Respond(500, jsonMedia, errorBody("server_error", "null"))}, want: provider(500, 2, "upstream_error", "server_error")},
		{name: "529 without a body", a: []Act{Respond(529, "text/plain", "")}, want: provider(529, 2, "upstream_error", "529")},
		{name: "503 of something else than the provider", a: []Act{Respond(503, "text/html", "<html>")}, want: provider(503, 2, "upstream_error", "503")},
		{name: "401 in another dialect", route: "to: b", b: []Act{Respond(401, jsonMedia, `{"type":"error","error":{"type":"authentication_error","message":"bad key"}}`)},
			want: outcome{status: 401, calls: 1, outcome: "client_error", errorType: "authentication_error", server: -1, provider: "anthropic",
				attempts: []string{"401"}, contains: []string{`{"error":{"message":"bad key"`}}},
		{name: "200 with an error object", a: []Act{Respond(200, jsonMedia, errorBody("server_error", `"exploded"`))},
			want: outcome{status: 200, calls: 1, outcome: "upstream_error", errorType: "exploded", server: -1, attempts: []string{""}, body: errorBody("server_error", `"exploded"`)}},
		{name: "error event in the stream", a: []Act{Stream(sseMedia, 0, frame1, "data: "+errorBody("server_error", `"exploded"`)+"\n\n")}, body: streamBody,
			want: outcome{status: 200, calls: 1, outcome: "upstream_error", errorType: "exploded", server: -1, attempts: []string{""}, usage: [2]int64{7, 1}}},
	}
	for _, status := range []int{400, 401, 403, 404} {
		cases = append(cases, outcomeCase{name: statusText(status), a: []Act{Respond(status, jsonMedia, errorBody("some_error", `"its_code"`))},
			want: provider(status, 1, "client_error", "its_code")})
	}
	return cases
}

func exhaustedOutcomes() []outcomeCase {
	failed := func(status int, name, typ string, calls, attempts int) outcome {
		o := outcome{status: status, calls: calls, outcome: name, errorType: typ, server: -1, contains: []string{`"code":"` + typ + `"`}, excludes: []string{"127.0.0.1"}}
		for i := range attempts {
			o.attempts = append(o.attempts, typ)
			if i > 0 {
				o.reasons = append(o.reasons, typ)
			}
		}
		return o
	}
	patient := "to: a\nretry: {attempts: 2, backoff: {base: 0s}}\ntimeout: {firstByte: 60ms}"
	return []outcomeCase{
		{name: "nobody listens", route: "to: none\nretry: {attempts: 2, backoff: {base: 0s}}", want: failed(502, "upstream_error", "connect", 0, 2)},
		{name: "closes at once", a: []Act{CloseAtOnce()}, want: failed(502, "upstream_error", "reset", 2, 2)},
		{name: "reset before the head", a: []Act{RawThenReset("")}, want: failed(502, "upstream_error", "reset", 2, 2)},
		{name: "half a head", a: []Act{Raw("HTTP/1.1 200 OK\r\nContent-")}, want: failed(502, "upstream_error", "reset", 2, 2),
			envoy: func(o *outcome) { *o = failed(502, "upstream_error", "malformed", 1, 1) }}, // it tells the same of either
		{name: "no head in time", route: patient, a: []Act{RawThenHang("")}, atMost: 5 * time.Second, want: failed(504, "timeout", "timeout", 2, 2)},
		{name: "no whole head in time", route: patient, a: []Act{RawThenHang("HTTP/1.1 200 OK\r\n")}, atMost: 5 * time.Second, want: failed(504, "timeout", "timeout", 2, 2)},
		{name: "no head in time, per try", route: "to: a\nretry: {attempts: 2, perTry: 60ms, backoff: {base: 0s}}", a: []Act{RawThenHang("")},
			atMost: 5 * time.Second, want: failed(504, "timeout", "timeout", 2, 2)},
		{name: "no HTTP", a: []Act{Raw("SSH-2.0-OpenSSH_9.2\r\n\r\n")}, want: failed(502, "upstream_error", "malformed", 1, 1)},
		{name: "two lengths", a: []Act{Raw(HeadText(200, "Content-Length: 5", "Content-Length: 6") + "hello")}, want: failed(502, "upstream_error", "malformed", 1, 1)},
		{name: "the whole call's time is up", route: "to: a\ntimeout: {request: 80ms}", a: []Act{RawThenHang("")}, atMost: 5 * time.Second,
			want: failed(504, "timeout", "timeout", 1, 1)},
		{name: "the whole call's time is up in a pause", route: "to: a\ntimeout: {request: 80ms}", a: []Act{Respond(503, jsonMedia, "{}", "Retry-After: 2")},
			atMost: 1500 * time.Millisecond, want: func() outcome {
				o := failed(504, "timeout", "timeout", 1, 1)
				o.attempts = []string{"503"}
				return o
			}()},
	}
}

func retriedOutcomes() []outcomeCase {
	ok := Respond(200, jsonMedia, chatAnswer)
	retried := func(failure string) outcome {
		return outcome{status: 200, body: chatAnswer, calls: 2, outcome: "ok", attempts: []string{failure, ""}, reasons: []string{failure},
			provider: "openai", usage: [2]int64{7, 3}, server: -1}
	}
	toOther := func(failure string, calls int) outcome {
		o := retried(failure)
		o.body, o.contains, o.provider, o.calls = "", []string{`"object":"chat.completion"`, `"content":"hello"`}, "anthropic", calls
		return o
	}
	noThenA := retried("connect")
	noThenA.calls = 1
	return []outcomeCase{
		{name: "retry after 429", a: []Act{Respond(429, jsonMedia, "{}"), ok}, want: retried("429")},
		{name: "retry after 429 and its pause", a: []Act{Respond(429, jsonMedia, "{}", "Retry-After: 1"), ok}, atLast: time.Second, want: retried("429")},
		{name: "retry after 429 and its pause in milliseconds", a: []Act{Respond(429, jsonMedia, "{}", "Retry-After-Ms: 120"), ok},
			atLast: 120 * time.Millisecond, atMost: 900 * time.Millisecond, want: retried("429")},
		{name: "retry after 500", a: []Act{Respond(500, jsonMedia, "{}"), ok}, want: retried("500")},
		{name: "retry after 500 whose body hangs", a: []Act{RawThenHang(HeadText(500, "Content-Type: "+jsonMedia, "Content-Length: 9") + "{"), ok},
			atMost: 2 * time.Second, want: retried("500")},
		{name: "retry after a reset", a: []Act{RawThenReset(""), ok}, want: retried("reset")},
		{name: "retry after a close", a: []Act{CloseAtOnce(), ok}, want: retried("reset")},
		{name: "retry after a hang", route: "to: a\nretry: {backoff: {base: 0s}}\ntimeout: {firstByte: 200ms}", a: []Act{RawThenHang(""), ok}, want: retried("timeout")},
		{name: "no connection, then another backend", route: "targets: [{backend: none}, {backend: a}]", want: noThenA},
		{name: "500, then another dialect", route: aThenB, a: []Act{Respond(500, jsonMedia, "{}")}, want: toOther("500", 2)},
		{name: "429 that asks for too long, then another dialect", route: aThenB, a: []Act{Respond(429, jsonMedia, "{}", "Retry-After: 100")},
			atMost: 2 * time.Second, want: toOther("429", 2)},
		{name: "429, then another that fails, then its pause", route: "targets: [{backend: a}, {backend: none}]", atLast: 300 * time.Millisecond, atMost: 2 * time.Second,
			a: []Act{Respond(429, jsonMedia, "{}", "Retry-After-Ms: 300"), ok}, want: func() outcome {
				o := retried("429")
				o.attempts, o.reasons = []string{"429", "connect", ""}, []string{"429", "connect"}
				return o
			}()},
		{name: "429 that asks for too long, twice the same, then another", route: "targets: [{backend: a}, {backend: a, model: m-2}, {backend: b}]", atMost: 2 * time.Second,
			a: []Act{Respond(429, jsonMedia, "{}", "Retry-After: 100")}, want: toOther("429", 2)},
	}
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
