package scenario

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestUnreachable is about providers to which there is no connection, for whatever reason.
func TestUnreachable(t *testing.T) {
	onPlanes(t, func(t *testing.T, p Plane) {
		u := StartUpstream(t, acts([]*scripted{{status: 200, header: http.Header{"Content-Type": {jsonMedia}}, pieces: []piece{{text: chatAnswer}}}})...)
		front := u.secure(t)
		for _, x := range []struct{ name, backend string }{
			{"nobody listens", fmt.Sprintf("url: %q", "http://"+Unused(t))},
			{"a certificate of nobody's", fmt.Sprintf("url: %q", front.url)},
			{"a certificate of another name", fmt.Sprintf("url: %q, tls: {ca: %q, serverName: elsewhere.test}", front.url, front.ca)},
			{"TLS to a server that has none", fmt.Sprintf("url: %q", strings.Replace(u.URL, "http", "https", 1))},
			{"a name that nobody has", `url: "http://nobody.invalid"`},
		} {
			t.Run(x.name, func(t *testing.T) {
				t.Parallel()
				for _, more := range []string{"", ", {backend: good}"} {
					gw := startOn(t, p, config(fmt.Sprintf("a: {provider: openai, key: sk-a, %s}\ngood: {provider: openai, key: sk-b, url: %q, tls: {ca: %q}}", x.backend, front.url, front.ca),
						"targets: [{backend: a}"+more+"]\nretry: {attempts: 2, backoff: {base: 0s}}"))
					got := send(t.Context(), newClient(t), "POST", gw.ClientURL()+"/r"+openAIChat, chatBody, nil)
					want := outcome{status: 502, outcome: "upstream_error", errorType: "connect", attempts: []string{"connect", "connect"}, reasons: []string{"connect"},
						server: -1, contains: []string{`"code":"connect"`}, excludes: []string{"127.0.0.1", "CERTIFICATE"}}
					if more != "" {
						want = outcome{status: 200, body: chatAnswer, outcome: "ok", attempts: []string{"connect", ""}, reasons: []string{"connect"}, usage: [2]int64{7, 3}, server: -1}
					}
					want.checkAnswer(t, &got)
					want.checkTrace(t, gw.Trace(t))
				}
			})
		}
	})
}

// TestProcessorGone ends the processor, for Envoy's eyes, in every state of a call: the call fails closed, at once and in the
// shape of an error of ours, its trace is complete, and the first call after it is back works.
func TestProcessorGone(t *testing.T) {
	for _, x := range []struct {
		name   string
		act    Act
		read   bool
		status int
		want   *outcome // of the trace; nil = there is none
	}{
		{name: "before the call", act: Respond(200, jsonMedia, chatAnswer), status: 503},
		{name: "waiting for the head", act: RawThenHang(""), status: 503,
			want: &outcome{outcome: "client_gone", errorType: "client_gone", attempts: []string{"client_gone"}}},
		{name: "in the stream", act: RawThenHang(ChunksText(200, sseMedia, frame1, frame2)), read: true, status: 200,
			want: &outcome{outcome: "client_gone", errorType: "client_gone", attempts: []string{"client_gone"}, usage: [2]int64{7, 2}, server: 200}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			u := StartUpstream(t, x.act, Respond(200, jsonMedia, chatAnswer))
			gw := Envoy{}.start(t, openAIConfig(u))
			ended, begun := make(chan answer, 1), make(chan struct{}, 1)
			if x.want == nil {
				gw.door.shut()
			}
			go func() { ended <- streamOf(t.Context(), newClient(t), gw.URL, begun) }()
			if x.want != nil {
				u.Await(t, 1)
				if x.read {
					<-begun
				}
				gw.door.shut()
			}
			got := <-ended
			equal(t, "status", got.status, x.status)
			if x.status != 200 && !strings.HasPrefix(got.body, `{"error":{"message":`) {
				t.Errorf("the client got %q", got.body)
			}
			if got.elapsed > 2*time.Second {
				t.Errorf("it took %v", got.elapsed)
			}
			if x.want != nil {
				x.want.checkTrace(t, gw.Trace(t))
			} else {
				equal(t, "calls", u.Calls(), 0)
			}
			gw.door.open(t)
			again := send(t.Context(), newClient(t), "POST", gw.URL+"/r"+openAIChat, chatBody, nil)
			equal(t, "status of the next call", again.status, 200)
			gw.Trace(t)
		})
	}
}

// TestBreaker has more calls at a time than limits.connections allows one provider behind Envoy: what is too much is refused at once,
// with a whole trace, and the others go on.
func TestBreaker(t *testing.T) {
	release := make(chan struct{})
	u := StartUpstream(t, Respond(200, jsonMedia, chatAnswer), Do(func(x *Exchange) {
		<-release
		x.Write(ResponseText(200, jsonMedia, chatAnswer))
		x.keep = true
	}))
	gw := startOn(t, Envoy{}, openAIConfig(u)+"limits: {connections: 1}\n")
	client := h2cClient(t)
	if got := send(t.Context(), client, "POST", gw.ClientURL()+"/r"+openAIChat, chatBody, nil); got.status != 200 {
		t.Fatalf("status %d: %v", got.status, got.err)
	}
	gw.Trace(t) // all calls come in this one connection
	ended := make(chan answer, 8)
	for range cap(ended) {
		go func() { ended <- send(t.Context(), client, "POST", gw.ClientURL()+"/r"+openAIChat, chatBody, nil) }()
	}
	refused := outcome{status: 502, outcome: "upstream_error", errorType: "connect", attempts: []string{"connect"}, server: -1, contains: []string{`"code":"connect"`}}
	first := <-ended
	refused.checkAnswer(t, &first)
	traces := gw.Traces(t, 1)
	refused.checkTrace(t, traces[0])
	close(release)
	good := 0
	for range cap(ended) - 1 {
		if got := <-ended; got.status == 200 {
			good++
		}
	}
	if good == 0 {
		t.Error("no call went on")
	}
	for len(traces) < cap(ended) {
		traces = append(traces, gw.Traces(t, 1)...)
	}
	for _, spans := range traces {
		checkTree(t, spans)
	}
}
