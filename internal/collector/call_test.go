package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// provider answers OpenAI's chat completions (API reference, Create chat completion) at once, with the model it was asked for.
type provider struct {
	URL string

	asked atomic.Int64
	mu    sync.Mutex
	last  http.Header
}

// Usage that the provider reports: of the n-th answer n input tokens, n from 1, and these output tokens.
const outputTokens = 3

func startProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	p.URL = s.URL
	return p
}

// ServeHTTP implements http.Handler. The model "broken" gets status 500.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Model json.RawMessage `json:"model"`
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &asked)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.last = r.Header
	p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if string(asked.Model) == `"broken"` {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"error":{"message":"no","type":"server_error","code":null}}`)
		return
	}
	n := p.asked.Add(1)
	_, _ = fmt.Fprintf(w, `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":%s,"choices":[{"index":0,"message":`+
		`{"role":"assistant","content":"Hello there."},"finish_reason":"stop"}],"usage":{"prompt_tokens":%d,"completion_tokens":%d,`+
		`"total_tokens":%d}}`, asked.Model, n, outputTokens, n+outputTokens)
}

// header is the head of the last request.
func (p *provider) header() http.Header {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// newClient is an HTTP client whose connections end with the test.
func newClient(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{MaxIdleConnsPerHost: 256}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// chat is the body of a call with these messages.
func chat(t *testing.T, model string, messages ...string) []byte {
	t.Helper()
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	body := struct {
		Model    string    `json:"model"`
		Messages []message `json:"messages"`
	}{Model: model}
	for _, m := range messages {
		body.Messages = append(body.Messages, message{Role: "user", Content: m})
	}
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// post calls the gateway at url and returns the status. header is name and value in turn.
func post(ctx context.Context, c *http.Client, url string, body []byte, header ...string) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// load calls every gateway n times, 200 times a second each and all at the same time, and returns how long the calls of each
// took. at is called before each n-th call of all. A call that fails fails the test.
func load(t *testing.T, n int, body []byte, at func(i int), urls ...string) [][]time.Duration {
	t.Helper()
	const every = 5 * time.Millisecond
	client := newClient(t)
	took := make([][]time.Duration, len(urls))
	for u := range took {
		took[u] = make([]time.Duration, n)
	}
	var calls sync.WaitGroup
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := range n {
		<-tick.C
		at(i)
		for u, url := range urls {
			calls.Go(func() {
				begin := time.Now()
				status, err := post(t.Context(), client, url+"/ollama", body)
				if took[u][i] = time.Since(begin); err != nil || status != http.StatusOK {
					t.Errorf("call %d of %s: %d, %v", i, url, status, err)
				}
			})
		}
	}
	calls.Wait()
	return took
}
