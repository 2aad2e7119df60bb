package scenario

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// promptly is how soon a provider must see that the client has gone.
const promptly = 100 * time.Millisecond

// openAIConfig routes /r to one OpenAI provider.
func openAIConfig(u *Upstream, more ...string) string {
	return config(fmt.Sprintf("a: {provider: openai, url: %q, key: sk-a}", u.URL), toA+"\n"+strings.Join(more, "\n"))
}

// dial opens a raw connection to the gateway.
func dial(t testing.TB, url string) net.Conn {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestClientGoneBeforeTheBodyCame(t *testing.T) { onPlanes(t, clientGoneBeforeTheBodyCame) }

func clientGoneBeforeTheBodyCame(t *testing.T, p Plane) {
	for _, path := range []string{"/r/v1/chat/completions", "/r/v1/files", "/nowhere"} {
		u := StartUpstream(t, Respond(200, jsonMedia, chatAnswer))
		gw := startOn(t, p, openAIConfig(u))
		c := dial(t, gw.ClientURL())
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"model\"", path)
		if w, ok := gw.(*Behind); ok {
			w.awaitCall(t) // Envoy tells nobody of a call whose client has gone by then
		}
		_ = c.Close()
		want := outcome{outcome: "client_gone", noChat: true}
		want.checkTrace(t, gw.Trace(t))
		equal(t, "calls", u.Calls(), 0)
	}
}

// TestClientGoneWithinTheHead leaves no trace: net/http hands over no request before its head is whole, so nothing is known of
// a call. The next call has a trace of its own.
func TestClientGoneWithinTheHead(t *testing.T) { onPlanes(t, clientGoneWithinTheHead) }

func clientGoneWithinTheHead(t *testing.T, p Plane) {
	u := StartUpstream(t, Respond(200, jsonMedia, chatAnswer))
	gw := startOn(t, p, openAIConfig(u))
	c := dial(t, gw.ClientURL())
	fmt.Fprint(c, "POST /r/v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Le")
	_ = c.Close()
	got := send(t.Context(), newClient(t), "POST", gw.ClientURL()+"/r"+openAIChat, chatBody, nil)
	want := outcome{status: 200, body: chatAnswer, outcome: "ok", attempts: []string{""}, usage: [2]int64{7, 3}, server: -1}
	want.checkAnswer(t, &got)
	want.checkTrace(t, gw.Trace(t))
}

// TestClientGone hangs up while the provider is at work, over both versions of HTTP.
func TestClientGone(t *testing.T) { onPlanes(t, clientGone) }

func clientGone(t *testing.T, p Plane) {
	started := ChunksText(200, sseMedia, frame1, frame2)
	busy := Do(func(x *Exchange) {
		x.Write(ChunksText(200, sseMedia, frame1))
		go func() {
			for range 2000 {
				x.Write(Chunk(frame2))
				x.Pause(time.Millisecond)
			}
		}()
		x.Hang()
	})
	for _, x := range []struct {
		name   string
		act    Act
		read   string // by the client before it hangs up
		server int64
		usage  [2]int64
	}{
		{name: "waiting for the head", act: RawThenHang("")},
		{name: "waiting for the rest of the head", act: RawThenHang("HTTP/1.1 200 OK\r\n")},
		{name: "waiting for the first byte", act: RawThenHang(ChunksText(200, sseMedia))},
		{name: "in the stream", act: RawThenHang(started), read: frame1 + frame2, server: 200, usage: [2]int64{7, 2}},
		{name: "in a busy stream", act: busy, read: frame1 + frame2 + frame2, server: 200, usage: [2]int64{7, 2}},
	} {
		for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
			t.Run(x.name+" "+version, func(t *testing.T) {
				t.Parallel()
				u := StartUpstream(t, x.act)
				gw := startOn(t, p, openAIConfig(u))
				client := newClient(t)
				if version == "HTTP/2" {
					client = h2cClient(t)
				}
				ctx, hangUp := context.WithCancel(t.Context())
				defer hangUp()
				ended := make(chan error, 1)
				seen := make(chan error, 1)
				go func() { ended <- readThenWait(ctx, client, gw.ClientURL(), x.read, seen) }()
				req := u.Await(t, 1)
				if x.read != "" {
					if err := <-seen; err != nil {
						t.Fatal(err)
					}
				}
				behind := machineBehind()
				hangUp()
				start := time.Now()
				<-req.Closed
				if d, late := time.Since(start), behind(); d > promptly+5*late {
					t.Errorf("the provider saw the hang-up after %v, on a machine that was %v behind", d, late)
				}
				<-ended
				want := outcome{outcome: "client_gone", errorType: "client_gone", attempts: []string{"client_gone"}, provider: "openai", usage: x.usage, server: x.server}
				want.checkTrace(t, gw.Trace(t))
			})
		}
	}
}

// machineBehind measures, until the function that it returns is called, by how much the machine is late at most to run what is ready to
// run: the other tests have the same processors.
func machineBehind() (end func() time.Duration) {
	done, worst := make(chan struct{}), make(chan time.Duration, 1)
	go func() {
		var late time.Duration
		for {
			start := time.Now()
			select {
			case <-done:
				worst <- late
				return
			case <-time.After(time.Millisecond):
				late = max(late, time.Since(start)-time.Millisecond)
			}
		}
	}()
	return func() time.Duration {
		close(done)
		return <-worst
	}
}

// readThenWait calls for a stream, reads text, tells seen, and waits for the end of the response.
func readThenWait(ctx context.Context, client *http.Client, url, text string, seen chan<- error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/r"+openAIChat, strings.NewReader(streamBody))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b := make([]byte, len(text))
	_, err = io.ReadFull(resp.Body, b)
	if err == nil && string(b) != text {
		err = fmt.Errorf("got %q, want %q", b, text)
	}
	seen <- err
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func h2cClient(t testing.TB) *http.Client {
	t.Helper()
	tr := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// TestClientGoneInAPause hangs up between two attempts: there is no second one.
func TestClientGoneInAPause(t *testing.T) { onPlanes(t, clientGoneInAPause) }

func clientGoneInAPause(t *testing.T, p Plane) {
	paused := make(chan struct{})
	u := StartUpstream(t, Do(func(x *Exchange) {
		x.Write(ResponseText(503, jsonMedia, "{}", "Retry-After: 2"))
		x.Pause(arrives)
		close(paused)
	}), Respond(200, jsonMedia, chatAnswer))
	gw := startOn(t, p, openAIConfig(u))
	ctx, hangUp := context.WithCancel(t.Context())
	ended := make(chan answer, 1)
	go func() { ended <- send(ctx, newClient(t), "POST", gw.ClientURL()+"/r"+openAIChat, chatBody, nil) }()
	<-paused
	hangUp()
	want := outcome{broken: true, outcome: "client_gone", errorType: "client_gone", attempts: []string{"503"}}
	got := <-ended
	want.checkAnswer(t, &got)
	want.checkTrace(t, gw.Trace(t))
	equal(t, "calls", u.Calls(), 1)
}

// TestShutdownWithinTheDrain ends a server whose stream goes on: it finishes.
func TestShutdownWithinTheDrain(t *testing.T) { onPlanes(t, shutdownWithinTheDrain) }

func shutdownWithinTheDrain(t *testing.T, p Plane) {
	release := make(chan struct{})
	u := StartUpstream(t, Do(func(x *Exchange) {
		x.Write(ChunksText(200, sseMedia, frame1))
		<-release
		x.Write(Chunk(frame2) + Chunk(frame3) + Chunk(frameDone) + Chunk(""))
	}))
	gw := startOn(t, p, openAIConfig(u))
	ended := make(chan answer, 1)
	go func() {
		ended <- send(t.Context(), newClient(t), "POST", gw.ClientURL()+"/r"+openAIChat, streamBody, nil)
	}()
	u.Await(t, 1)
	stopped := make(chan error, 1)
	go func() { stopped <- gw.Shutdown(20 * time.Second) }()
	awaitRefusal(t, gw.ClientURL())
	close(release)
	got := <-ended
	want := outcome{status: 200, body: frame1 + frame2 + frame3 + frameDone, outcome: "ok", attempts: []string{""}, usage: [2]int64{7, 3}, server: -1}
	want.checkAnswer(t, &got)
	want.checkTrace(t, gw.Trace(t))
	if err := <-stopped; err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

// awaitRefusal waits until the gateway accepts no connection.
func awaitRefusal(t testing.TB, url string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			return
		}
		_ = c.Close()
	}
	t.Error("connections are still accepted")
}

// TestShutdownPastTheDrain ends a server whose calls do not end by themselves: their clients are told.
func TestShutdownPastTheDrain(t *testing.T) { onPlanes(t, shutdownPastTheDrain) }

func shutdownPastTheDrain(t *testing.T, p Plane) {
	for _, x := range []struct {
		name string
		act  Act
		want outcome
	}{
		{"waiting for the head", RawThenHang(""), outcome{status: 503, contains: []string{`"code":"shutdown"`}}},
		{"in the stream", RawThenHang(ChunksText(200, sseMedia, frame1, frame2)),
			outcome{status: 200, contains: []string{frame1 + frame2 + `data: {"error":`, "shutting down"}, usage: [2]int64{7, 2}}},
		{"in an unstreamed body", RawThenHang(HeadText(200, "Content-Type: "+jsonMedia, "Content-Length: 100") + "{"), outcome{status: 200, broken: true}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			u := StartUpstream(t, x.act)
			gw := startOn(t, p, openAIConfig(u))
			ended := make(chan answer, 1)
			go func() {
				ended <- send(t.Context(), newClient(t), "POST", gw.ClientURL()+"/r"+openAIChat, streamBody, nil)
			}()
			u.Await(t, 1)
			if err := gw.Shutdown(50 * time.Millisecond); err != nil {
				t.Errorf("shutdown: %v", err)
			}
			want := x.want
			want.outcome, want.errorType, want.attempts, want.server = "shutdown", "shutdown", []string{"shutdown"}, -1
			got := <-ended
			want.checkAnswer(t, &got)
			want.checkTrace(t, gw.Trace(t))
		})
	}
}
