// Package exchange replays recorded HTTP exchanges with LLM providers and compares what Spanway says about them with what
// the recordings' README demands. [Load] reads recordings, [Exchange.Diff] compares span attributes, [Exchange.DiffMessages]
// captured content, and [Conform] puts one dialect through every exchange in every chunking.
//
// It is test code only: nothing outside of tests imports it. Attribute names are spelt out here rather than taken from the
// product, so that a wrong name there shows.
package exchange

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spanway/spanway/internal/llm"
)

// Exchange is one recorded exchange.
type Exchange struct {
	ID       string  `json:"id"`
	API      llm.API `json:"api"`      // the recording's name of the wire format; a superset of the API constants
	Provider string  `json:"provider"` // as gen_ai.provider.name has it
	Stream   bool    `json:"stream"`
	Request  Request `json:"request"`
	Response Response
	// Expected is the decoded "expected" object; its keys are the README's, not attribute names.
	Expected map[string]any `json:"expected"`
}

// Request is what the client sent.
type Request struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Path    string            `json:"path"`
	Query   string            `json:"query"`
	Headers map[string]string `json:"headers"` // names in lower case
	Body    json.RawMessage   `json:"body"`    // compact JSON, members in the recorded order
}

// Head is the request's head as a dialect sees it.
func (r *Request) Head() *llm.Head {
	return &llm.Head{Method: r.Method, Path: r.Path, Query: r.Query, Header: header(r.Headers)}
}

// Response is what the provider answered.
type Response struct {
	Status  int
	Headers map[string]string // names in lower case
	Body    []byte
}

// Head is the response's head as a dialect sees it.
func (r *Response) Head() *llm.Head {
	return &llm.Head{Status: r.Status, Header: header(r.Headers)}
}

func header(m map[string]string) http.Header {
	h := make(http.Header, len(m))
	for k, v := range m {
		h.Set(k, v)
	}
	return h
}

// UnmarshalJSON reads the recorded form, whose body is text or base64.
func (r *Response) UnmarshalJSON(b []byte) error {
	var w struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Text    *string           `json:"body_text"`
		Base64  *string           `json:"body_base64"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*r = Response{Status: w.Status, Headers: w.Headers}
	if w.Text != nil {
		r.Body = []byte(*w.Text)
	}
	if w.Base64 != nil {
		body, err := base64.StdEncoding.DecodeString(*w.Base64)
		if err != nil {
			return err
		}
		r.Body = body
	}
	return nil
}

// Load reads the exchanges of apis, all when none is named, in the order of their names. Without the recordings it skips
// the test, and fails it where CI is "true".
func Load(t testing.TB, apis ...string) []*Exchange {
	t.Helper()
	dir := filepath.Join(root(t), "..", "shared", "exchanges")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if os.Getenv("CI") == "true" {
			t.Fatal("the recorded exchanges are missing: expected them in ../shared/exchanges beside the repository")
		}
		t.Skip("no recorded exchanges in ../shared/exchanges beside the repository")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*Exchange
	for _, f := range files {
		if len(apis) > 0 && !slices.Contains(apis, filepath.Base(filepath.Dir(f))) {
			continue
		}
		out = append(out, read(t, f))
	}
	if len(out) == 0 {
		t.Fatalf("no recorded exchange of %q", apis)
	}
	return out
}

func read(t testing.TB, file string) *Exchange {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	x := new(Exchange)
	if err := json.Unmarshal(b, x); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var body bytes.Buffer
	if len(x.Request.Body) > 0 {
		if err := json.Compact(&body, x.Request.Body); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		x.Request.Body = body.Bytes()
	}
	return x
}

// root is the folder of go.mod.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = up
	}
}
