package scenario

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

func statusText(status int) string { return strconv.Itoa(status) }

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s)) // a Buffer takes everything
	_ = w.Close()
	return b.String()
}

// brokenOff is what becomes of a response that has begun when its provider cuts it: Envoy resets the client's stream, and asks no
// filter before. got is what the client has by then.
func brokenOff(got string) func(*outcome) {
	return func(o *outcome) { o.broken, o.body, o.contains, o.excludes = true, got, nil, nil }
}

// cutOutcomes are responses that stop after their head has come.
func cutOutcomes() []outcomeCase {
	cut := func(status int, typ string, usage [2]int64) outcome {
		return outcome{status: status, calls: 1, outcome: "upstream_cut", errorType: typ, attempts: []string{typ}, usage: usage, server: -1, provider: "openai"}
	}
	sse := cut(200, "reset", [2]int64{7, 2})
	sse.contains = []string{frame1 + frame2, "data: {\"error\":"}
	sse.excludes = []string{"[DONE]"}
	within := sse
	within.contains = []string{frame1 + frame2 + "data: {\"id\"", "\n\ndata: {\"error\":"}
	head := cut(502, "reset", [2]int64{})
	head.contains = []string{`"code":"upstream_cut"`}
	unary := cut(200, "reset", [2]int64{})
	unary.broken = true
	claude := cut(200, "reset", [2]int64{7, 1})
	claude.provider, claude.contains = "anthropic", []string{`"content":"hello"`, "\n\ndata: {\"error\":"}
	claude.excludes = []string{"[DONE]"}
	native := claude
	native.contains = []string{claudeStart, "event: error\ndata: {\"type\":\"error\""}
	idle := sse
	idle.outcome, idle.errorType, idle.attempts = "timeout", "timeout", []string{"timeout"}
	idleUnary := idle
	idleUnary.broken, idleUnary.contains, idleUnary.usage = true, nil, [2]int64{}
	pass := unary
	pass.noChat = true
	wrongGzip := head
	wrongGzip.errorType, wrongGzip.attempts = "malformed", []string{"malformed"}
	started := ChunksText(200, sseMedia, frame1, frame2)
	half := HeadText(200, "Content-Type: "+jsonMedia, fmt.Sprintf("Content-Length: %d", len(chatAnswer))) + chatAnswer[:60]
	return []outcomeCase{
		{name: "cut between frames", a: []Act{pausedCut(started)}, body: streamBody, want: sse, envoy: brokenOff(frame1 + frame2)},
		{name: "reset between frames", a: []Act{pausedReset(started)}, body: streamBody, want: sse, envoy: brokenOff(frame1 + frame2)},
		{name: "cut within a frame", a: []Act{pausedCut(started + Chunk(frame3[:20]))}, body: streamBody, want: within, envoy: brokenOff(frame1 + frame2 + frame3[:20])},
		{name: "broken chunking", a: []Act{pausedCut(started, "nonsense\r\n")}, body: streamBody, want: func() outcome {
			o := sse
			o.errorType, o.attempts = "malformed", []string{"malformed"}
			return o
		}(), envoy: func(o *outcome) {
			brokenOff(frame1 + frame2)(o)
			o.errorType, o.attempts = "reset", []string{"reset"} // which of the two it was, Envoy does not say
		}},
		{name: "cut within a frame under a guard", route: toA + "\n" + guard("request: mask, response: mask"), body: streamBody,
			a: []Act{pausedCut(ChunksText(200, sseMedia, frame1, longFrame(), longFrame(), frame2, frame3[:20]))}, want: func() outcome {
				o := sse
				o.contains = []string{frame1, "fine words", "\n\ndata: {\"error\":"}
				return o
			}(), envoy: func(o *outcome) {
				brokenOff("")(o)
				o.contains = []string{frame1, "fine words"}
			}},
		{name: "cut under a guard that lets nothing out yet", route: toA + "\n" + guard("request: mask, response: mask"), a: []Act{pausedCut(started)}, body: streamBody,
			want: func() outcome {
				o := head
				o.usage = sse.usage
				return o
			}()},
		{name: "cut before the first byte of the stream", a: []Act{pausedCut(HeadText(200, "Content-Type: "+sseMedia, "Transfer-Encoding: chunked"))}, body: streamBody, want: head},
		{name: "cut before the first byte of the body", a: []Act{pausedCut(HeadText(200, "Content-Type: "+jsonMedia, "Content-Length: 10"))}, want: head},
		{name: "cut within an unstreamed body", a: []Act{pausedCut(half)}, want: unary},
		{name: "cut within an unstreamed body in chunks", a: []Act{pausedCut(ChunksText(200, jsonMedia, chatAnswer[:60]))}, want: unary},
		{name: "cut within an unstreamed body under a guard", route: toA + "\n" + guard("response: mask"), a: []Act{pausedCut(half)}, want: head},
		{name: "cut within an unstreamed body, translated", route: "to: b", b: []Act{pausedCut(half)}, want: func() outcome {
			o := head
			o.provider = "anthropic"
			return o
		}()},
		{name: "cut within what passes through", path: "/v1/files/f-1/content", method: "GET", a: []Act{pausedCut(half)}, want: pass},
		{name: "cut gzip", a: []Act{Respond(200, jsonMedia, gzipped(chatAnswer)[:30], "Content-Encoding: gzip")}, want: head},
		{name: "not gzip", a: []Act{Respond(200, jsonMedia, chatAnswer, "Content-Encoding: gzip")}, want: wrongGzip},
		{name: "cut, translated", route: "to: b", b: []Act{pausedCut(ChunksText(200, sseMedia, claudeStart))}, body: streamBody, want: claude, envoy: func(o *outcome) {
			brokenOff("")(o)
			o.contains = []string{`"content":"hello"`}
		}},
		{name: "cut, Anthropic", route: "to: b", path: "/v1/messages", b: []Act{pausedCut(ChunksText(200, sseMedia, claudeStart))},
			body: `{"model":"claude-x","stream":true,"max_tokens":9,"messages":[]}`, want: native, envoy: brokenOff(claudeStart)},
		{name: "stream ends with its connection but not with its end", body: streamBody,
			a: []Act{Raw(HeadText(200, "Content-Type: "+sseMedia, "Connection: close") + frame1 + frame2)}, want: func() outcome {
				o := sse
				o.contains, o.attempts = []string{frame1 + frame2}, []string{"reset"}
				return o
			}()},
		{name: "idle in the stream", route: toA + "\ntimeout: {idle: 80ms}", a: []Act{RawThenHang(started)}, body: streamBody, atMost: 5 * time.Second, want: idle},
		{name: "idle in an unstreamed body", route: toA + "\ntimeout: {idle: 80ms}", a: []Act{RawThenHang(half)}, atMost: 5 * time.Second, want: idleUnary},
		{name: "the whole call's time is up in the stream", route: toA + "\ntimeout: {request: 150ms}", a: []Act{RawThenHang(started)}, body: streamBody,
			atMost: 5 * time.Second, want: idle},
	}
}

// arrives is how long what was sent has to arrive: an end overtakes it.
const arrives = 50 * time.Millisecond

// pausedCut sends s, lets it arrive, sends last and closes the connection.
func pausedCut(s string, last ...string) Act {
	return Do(func(x *Exchange) {
		x.Write(s)
		x.Pause(arrives)
		x.Write(strings.Join(last, ""))
	})
}

// pausedReset sends s, lets it arrive, and resets the connection.
func pausedReset(s string) Act {
	reset := RawThenReset("")
	return Do(func(x *Exchange) {
		x.Write(s)
		x.Pause(arrives)
		reset.do(x)
	})
}

// guard is a policy that finds the word forbidden.
func guard(sides string) string {
	return "policies: [{guard: {name: words, regex: {patterns: [forbidden]}, " + sides + "}}]"
}

// longFrame is a frame that is too long for a guard to hold back all of it.
func longFrame() string {
	return `data: {"id":"c-1","model":"m-1-large","choices":[{"index":0,"delta":{"content":"` + strings.Repeat("fine words ", 60) + `"},"finish_reason":null}]}` + "\n\n"
}

// guardOutcomes are calls that a guardrail refuses.
func guardOutcomes() []outcomeCase {
	blocked := outcome{status: 403, outcome: "blocked", errorType: "guardrail_rejected", server: -1, contains: []string{"inappropriate"}, provider: "openai"}
	answered := blocked
	answered.calls, answered.attempts, answered.usage = 1, []string{""}, [2]int64{7, 3}
	bad := `data: {"id":"c-1","model":"m-1-large","choices":[{"index":0,"delta":{"content":" forbidden"},"finish_reason":null}],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}` + "\n\n"
	streamed := answered
	streamed.status, streamed.usage, streamed.contains, streamed.excludes = 200, [2]int64{7, 3}, []string{"fine words", "data: {\"error\":", "inappropriate"}, []string{"forbidden", "[DONE]"}
	return []outcomeCase{
		{name: "blocked on the request", route: toA + "\n" + guard("request: reject"), body: `{"model":"m-1","messages":[{"role":"user","content":"a forbidden word"}]}`, want: blocked},
		{name: "blocked on the response", route: toA + "\n" + guard("response: reject"),
			a: []Act{Respond(200, jsonMedia, `{"id":"c-1","model":"m-1-large","choices":[{"index":0,"message":{"role":"assistant","content":"forbidden"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3}}`)}, want: answered},
		{name: "blocked in the stream", route: toA + "\n" + guard("response: reject"),
			a: []Act{Stream(sseMedia, 0, frame1, longFrame(), longFrame(), bad, frame3, frameDone)}, body: streamBody, want: streamed},
	}
}

// TestWeights draws many plans: the shares are those of the weights.
func TestWeights(t *testing.T) {
	a, b := StartUpstream(t, Respond(200, jsonMedia, chatAnswer)), StartUpstream(t, Respond(200, jsonMedia, chatAnswer))
	gw := Start(t, config(fmt.Sprintf("a: {provider: openai, url: %q}\nb: {provider: openai, url: %q}", a.URL, b.URL),
		"targets: [[{backend: a, weight: 3}, {backend: b, weight: 1}]]"))
	client := newClient(t)
	const n = 400
	for range n {
		if got := send(t.Context(), client, "POST", gw.URL+"/r"+openAIChat, chatBody, nil); got.status != 200 {
			t.Fatalf("status %d: %v", got.status, got.err)
		}
	}
	gw.Traces(t, n)
	// Binomial with p = 3/4: five standard deviations are 43.
	if got := a.Calls(); got < 300-43 || got > 300+43 {
		t.Errorf("the backend of weight 3 of 4 got %d of %d calls", got, n)
	}
}
