package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// update makes TestGolden write what it got into testdata: review the difference before you commit it.
var update = flag.Bool("update", false, "rewrite the responses in testdata")

// TestGolden sends each request of testdata and compares what comes back, byte for byte.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if len(a.Files) != 2 || a.Files[0].Name != "request" || a.Files[1].Name != "response" {
				t.Fatal("want two parts, request and response")
			}
			got := exchange(t, a.Files[0].Data)
			if *update {
				a.Files[1].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(a.Files[1].Data), got); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
		})
	}
}

// exchange sends the request (method and path, then the body) and returns status, headers and body as text.
func exchange(t *testing.T, request []byte) string {
	t.Helper()
	line, body, _ := strings.Cut(string(request), "\n")
	method, target, _ := strings.Cut(line, " ")
	w := call(t.Context(), Handler(Options{}), method, target, body)
	var b strings.Builder
	fmt.Fprintln(&b, w.Code)
	for _, h := range []string{"Content-Type", "Retry-After"} {
		if v := w.Header().Get(h); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", h, v)
		}
	}
	fmt.Fprintf(&b, "\n%s", strings.ReplaceAll(w.Body.String(), "\r\n", "\n"))
	if !strings.HasSuffix(b.String(), "\n") {
		b.WriteByte('\n')
	}
	return b.String()
}

func call(ctx context.Context, h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body)))
	return w
}

func chat(model, more string) string {
	return `{"model":"` + model + `","messages":[{"role":"user","content":"Hi there!"}]` + more + `}`
}

// streams are one streamed request per dialect, for a model.
func streams(model string) map[string][2]string {
	contents := `{"contents":[{"parts":[{"text":"Hi there!"}]}]}`
	return map[string][2]string{
		"openai chat":        {"/v1/chat/completions", chat(model, `,"stream":true`)},
		"openai completions": {"/v1/completions", `{"model":"` + model + `","prompt":"Hi there!","stream":true}`},
		"openai responses":   {"/v1/responses", `{"model":"` + model + `","input":"Hi there!","stream":true}`},
		"anthropic":          {"/v1/messages", chat(model, `,"stream":true`)},
		"gemini sse":         {"/v1beta/models/" + model + ":streamGenerateContent?alt=sse", contents},
		"gemini array":       {"/v1beta/models/" + model + ":streamGenerateContent", contents},
		"ollama chat":        {"/api/chat", chat(model, "")},
		"ollama generate":    {"/api/generate", `{"model":"` + model + `","prompt":"Hi there!"}`},
	}
}

// TestSlow checks the pace of demo-slow, in a bubble whose clock does not wait.
func TestSlow(t *testing.T) {
	for name, c := range streams("demo-slow") {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				w := call(t.Context(), Handler(Options{}), "POST", c[0], c[1])
				pieces := len(tokenize("Hello from Spanway's demo provider. You sent 1 message of 3 tokens in all. The last one says: Hi there!"))
				want := time.Second + time.Duration(pieces-1)*100*time.Millisecond
				if got := time.Since(start); w.Code != http.StatusOK || got != want {
					t.Errorf("status %d after %v, want 200 after %v", w.Code, got, want)
				}
			})
		})
	}
	t.Run("unstreamed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			w := call(t.Context(), Handler(Options{}), "POST", "/v1/chat/completions", chat("demo-slow", ""))
			if got := time.Since(start); w.Code != http.StatusOK || got != time.Second {
				t.Errorf("status %d after %v, want 200 after 1s", w.Code, got)
			}
		})
	})
}

// aborted runs the call and reports whether it cut the connection.
func aborted(ctx context.Context, target, body string) (w *httptest.ResponseRecorder, cut bool) {
	w = httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			err, ok := p.(error)
			cut = ok && errors.Is(err, http.ErrAbortHandler)
		}
	}()
	Handler(Options{}).ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", target, strings.NewReader(body)))
	return w, false
}

func TestHang(t *testing.T) {
	body := chat("demo-hang", `,"stream":true`)
	t.Run("bounded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			_, cut := aborted(t.Context(), "/v1/chat/completions", body)
			if got := time.Since(start); !cut || got != 5*time.Minute {
				t.Errorf("cut %v after %v, want true after 5m", cut, got)
			}
		})
	})
	t.Run("client gives up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			start := time.Now()
			_, cut := aborted(ctx, "/v1/chat/completions", body)
			if got := time.Since(start); !cut || got != 3*time.Second {
				t.Errorf("cut %v after %v, want true after 3s", cut, got)
			}
		})
	})
}

// TestGone checks that a stream ends with its client, not with its answer.
func TestGone(t *testing.T) {
	for name, c := range streams("demo-slow") {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 1250*time.Millisecond)
				defer cancel()
				start := time.Now()
				_, cut := aborted(ctx, c[0], c[1])
				if got := time.Since(start); !cut || got != 1250*time.Millisecond {
					t.Errorf("cut %v after %v, want true after 1.25s", cut, got)
				}
			})
		})
	}
}

// TestCut checks, over a real connection, that a cut is seen as one and that half of the answer came before it.
func TestCut(t *testing.T) {
	srv := httptest.NewServer(Handler(Options{}))
	defer srv.Close()
	cases := streams("demo-cut")
	cases["unstreamed"] = [2]string{"/v1/chat/completions", chat("demo-cut", "")}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			resp, err := post(t, srv.URL+c[0], c[1])
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("error %v, want %v", err, io.ErrUnexpectedEOF)
			}
			if !bytes.Contains(b, []byte("Hello")) || bytes.Contains(b, []byte("there")) {
				t.Errorf("want the first half of the answer, got %q", b)
			}
		})
	}
}

func post(t *testing.T, url, body string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return http.DefaultClient.Do(req)
}

// TestIncremental reads a stream while it is being written: each piece must be there before the next is due.
func TestIncremental(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		rec := &pipeResponse{head: http.Header{}, w: w}
		go func() {
			defer w.Close()
			req := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/chat/completions",
				strings.NewReader(chat("demo-slow", `,"stream":true`)))
			Handler(Options{}).ServeHTTP(rec, req)
		}()
		start := time.Now()
		lines := bufio.NewScanner(r)
		var at []time.Duration
		for lines.Scan() {
			if strings.Contains(lines.Text(), `"content":"`) {
				at = append(at, time.Since(start))
			}
		}
		// The first delta has the role; it comes with the first token.
		want := []time.Duration{time.Second, time.Second, 1100 * time.Millisecond, 1200 * time.Millisecond}
		if len(at) < len(want) || !slices.Equal(at[:len(want)], want) {
			t.Errorf("pieces at %v, want them to start with %v", at, want)
		}
	})
}

// pipeResponse is a response whose flushed bytes are readable while it is written.
type pipeResponse struct {
	head http.Header
	buf  bytes.Buffer
	w    io.Writer
}

func (p *pipeResponse) Header() http.Header         { return p.head }
func (p *pipeResponse) WriteHeader(int)             {}
func (p *pipeResponse) Write(b []byte) (int, error) { return p.buf.Write(b) }
func (p *pipeResponse) FlushError() error {
	_, err := p.buf.WriteTo(p.w)
	return err
}

func TestFailOnce(t *testing.T) {
	h := Handler(Options{})
	attempt := func(trace string) int {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/chat/completions", strings.NewReader(chat("demo-fail-503-once", "")))
		if trace != "" {
			r.Header.Set("Traceparent", "00-"+strings.Repeat(trace, 32)+"-00f067aa0ba902b7-01")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	var got []int
	for _, trace := range []string{"a", "b", "a", "b", "a", "", ""} {
		got = append(got, attempt(trace))
	}
	if want := []int{503, 503, 200, 200, 503, 503, 200}; !slices.Equal(got, want) {
		t.Errorf("statuses %v, want %v", got, want)
	}
}

func TestOnceSetIsBounded(t *testing.T) {
	var o onceSet
	for i := range 2 * maxOnce {
		if !o.first(fmt.Sprint(i)) {
			t.Fatalf("call %d was taken for a second attempt", i)
		}
	}
	if len(o.seen) != maxOnce || len(o.order) != maxOnce {
		t.Errorf("%d remembered, %d in order, want %d", len(o.seen), len(o.order), maxOnce)
	}
	if o.first(fmt.Sprint(2*maxOnce - 1)) {
		t.Error("the newest call was forgotten")
	}
}

func TestLong(t *testing.T) {
	w := call(t.Context(), Handler(Options{}), "POST", "/v1/chat/completions", chat("demo-long", `,"stream":true,"stream_options":{"include_usage":true}`))
	body := w.Body.String()
	// Role, pieces, finish reason, usage, terminator.
	if got := strings.Count(body, "data: "); got != 10004 {
		t.Errorf("%d events, want 10004", got)
	}
	if !strings.Contains(body, `"completion_tokens":10000,`) || !strings.HasSuffix(body, "data: [DONE]\n\n") {
		t.Errorf("the stream ends with %q", body[max(0, len(body)-300):])
	}
}

func TestBodyBound(t *testing.T) {
	h := Handler(Options{MaxBody: 100})
	for target, want := range map[string]string{
		"/v1/chat/completions":                `"code":"request_too_large"`,
		"/v1/messages":                        `"type":"request_too_large"`,
		"/v1beta/models/demo:generateContent": `"code":413`,
		"/api/chat":                           `{"error":"The request is longer than 100 bytes"}`,
	} {
		w := call(t.Context(), h, "POST", target, strings.Repeat(" ", 101))
		if w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want 413 with %s", target, w.Code, w.Body, want)
		}
	}
}

func TestMethodsAndPaths(t *testing.T) {
	for _, c := range []struct {
		method, target string
		want           int
	}{
		{"GET", "/v1/chat/completions", http.StatusMethodNotAllowed},
		{"POST", "/v1/models", http.StatusMethodNotAllowed},
		{"POST", "/v1/nothing", http.StatusNotFound},
		{"POST", "/chat/completions", http.StatusOK},
		{"GET", "/models", http.StatusOK},
	} {
		w := call(t.Context(), Handler(Options{}), c.method, c.target, chat("demo", ""))
		if w.Code != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.target, w.Code, c.want)
		}
		if guides := strings.Contains(w.Body.String(), "it answers POST to /v1/chat/completions"); guides != (c.want != http.StatusOK) {
			t.Errorf("%s %s: %s", c.method, c.target, w.Body)
		}
	}
}

func TestOllamaEmbed(t *testing.T) {
	w := call(t.Context(), Handler(Options{}), "POST", "/api/embed", `{"model":"demo","input":["a b","c"],"dimensions":2}`)
	var r struct {
		Model           string
		Embeddings      [][]float32
		PromptEvalCount int `json:"prompt_eval_count"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if r.Model != "demo" || len(r.Embeddings) != 2 || len(r.Embeddings[1]) != 2 || r.PromptEvalCount != 3 {
		t.Errorf("%+v", r)
	}
}

func TestTokenize(t *testing.T) {
	for text, want := range map[string][]string{
		"":                {},
		" \n":             {" \n"},
		"one":             {"one"},
		"Hello, world!":   {"Hello", ",", " world", "!"},
		"  a  b  ":        {"  a", "  b  "},
		"x1 2y":           {"x1", " 2y"},
		"été 世界。":         {"été", " 世界", "。"},
		`{"a":1}`:         {"{", `"`, "a", `"`, ":", "1", "}"},
		"broken \xff end": {"broken", " \xff", " end"},
	} {
		if got := tokenize(text); !slices.Equal(got, want) {
			t.Errorf("tokenize(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzTokenize(f *testing.F) {
	for _, s := range []string{"", " ", "Hello, world! ", "\xff\u00a0été", "a\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tokens := tokenize(text)
		if got := strings.Join(tokens, ""); got != text {
			t.Errorf("tokens of %q join to %q", text, got)
		}
		if slices.Contains(tokens, "") {
			t.Errorf("tokens of %q hold an empty one: %q", text, tokens)
		}
	})
}

// FuzzRequests checks that no body makes an endpoint do anything but answer or refuse.
func FuzzRequests(f *testing.F) {
	targets := []string{"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages",
		"/v1beta/models/demo:generateContent", "/v1beta/models/demo-tool:streamGenerateContent", "/v1beta/models/demo:embedContent",
		"/api/chat", "/api/generate"}
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		_, body, _ := bytes.Cut(a.Files[0].Data, []byte("\n"))
		f.Add(body)
	}
	h := Handler(Options{})
	f.Fuzz(func(t *testing.T, body []byte) {
		// Those that wait or cut have tests of their own.
		for _, slow := range []string{"slow", "hang", "cut", "long"} {
			body = bytes.ReplaceAll(body, []byte("demo-"+slow), []byte("demo-tool"))
		}
		for _, target := range targets {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", target, bytes.NewReader(body)))
			if w.Body.Len() == 0 {
				t.Errorf("%s: status %d without a body", target, w.Code)
			}
		}
	})
}
