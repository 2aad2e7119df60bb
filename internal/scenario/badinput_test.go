package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// speaker is a dialect as its clients see it.
type speaker struct {
	name, provider, path, model string
	stored                      bool // GET on the path is an API too
	shape                       func(status int, body []byte) error
}

func speakers() []speaker {
	return []speaker{
		{"openai", "openai", "/v1/chat/completions", "m-1", true, func(_ int, b []byte) error {
			var v struct {
				Error struct {
					Message, Type string
					Code, Param   any
				}
			}
			return shaped(b, &v, func() bool { return v.Error.Message != "" && v.Error.Type == "invalid_request_error" })
		}},
		{"anthropic", "anthropic", "/v1/messages", "m-1", false, func(status int, b []byte) error {
			types := map[int]string{404: "not_found_error", 413: "request_too_large"}
			want := types[status]
			if want == "" {
				want = "invalid_request_error"
			}
			var v struct {
				Type  string
				Error struct{ Type, Message string }
			}
			return shaped(b, &v, func() bool { return v.Type == "error" && v.Error.Message != "" && v.Error.Type == want })
		}},
		{"gemini", "gemini", "/v1beta/models/m-1:generateContent", "", false, func(status int, b []byte) error {
			want := "INVALID_ARGUMENT"
			if status == http.StatusNotFound {
				want = "NOT_FOUND"
			}
			var v struct {
				Error struct {
					Code            int
					Message, Status string
				}
			}
			return shaped(b, &v, func() bool { return v.Error.Code == status && v.Error.Message != "" && v.Error.Status == want })
		}},
		{"ollama", "ollama", "/api/chat", "m-1", false, func(_ int, b []byte) error {
			var v struct{ Error string }
			return shaped(b, &v, func() bool { return v.Error != "" })
		}},
	}
}

func shaped(b []byte, v any, good func() bool) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("error body %s: %w", b, err)
	}
	if !good() {
		return fmt.Errorf("error body %s is not of the dialect's shape", b)
	}
	return nil
}

// badConfig has a route for each dialect, one more that only takes the model "known", and small limits.
func badConfig(url string) string {
	var b strings.Builder
	b.WriteString("listen: 127.0.0.1:0\nadmin: off\ntelemetry: {traces: []}\nlimits: {body: 1MiB, headers: 4KiB}\nbackends:\n")
	for _, s := range speakers() {
		fmt.Fprintf(&b, "  %s: {provider: %s, url: %q, key: sk-own}\n", s.name, s.provider, url)
	}
	fmt.Fprintf(&b, "  caller: {provider: openai, url: %q, key: passthrough}\nroutes:\n  - {match: {path: /caller}, to: caller}\n", url)
	for _, s := range speakers() {
		fmt.Fprintf(&b, "  - {name: %s, match: {path: /%s}, to: %s}\n  - {name: %s-known, match: {path: /known/%s, model: known}, to: %s}\n", s.name, s.name, s.name, s.name, s.name, s.name)
	}
	return b.String()
}

// badBody is a request body that no API takes.
type badBody struct {
	name, body string
	status     int
}

func badBodies() []badBody {
	deep := 200_000
	return []badBody{
		{"nothing", "", 400},
		{"white space", " \n", 400},
		{"half an object", `{"model":"m-1","messages":[{"role"`, 400},
		{"half a string", `{"model":"m-`, 400},
		{"an object and more", `{"model":"m-1"}}`, 400},
		{"two objects", `{"model":"m-1"}{"model":"m-2"}`, 400},
		{"an array", `[{"model":"m-1"}]`, 400},
		{"a string", `"m-1"`, 400},
		{"a number", `1`, 400},
		{"null", `null`, 400},
		{"no JSON", `model=m-1&stream=true`, 400},
		{"a missing comma", `{"model":"m-1" "stream":true}`, 400},
		{"a key without quotes", `{model:"m-1"}`, 400},
		{"invalid UTF-8", "{\"model\":\"m-1\",\"user\":\"\xff\xfe\"}", 400},
		{"half a character", "{\"model\":\"m-1\",\"user\":\"\xe2\x82\"}", 400},
		{"a byte order mark of UTF-16", "\xff\xfe{\x00}\x00", 400},
		{"an open nest", `{"model":"m-1","messages":` + strings.Repeat("[", deep), 400},
		{"a deep nest", `{"model":"m-1","messages":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + "}", 400},
		{"a deep nest of objects", `{"model":"m-1","x":` + strings.Repeat(`{"a":`, deep/2) + "1" + strings.Repeat("}", deep/2) + "}", 400},
		{"too large", `{"model":"m-1","user":"` + strings.Repeat("x", 1<<20) + `"}`, 413},
	}
}

// refusedHere checks a call that the gateway itself refuses: in the client's dialect, with a whole trace, and nothing sent on.
func refusedHere(t *testing.T, gw Running, u *Upstream, s *speaker, got answer, status int) []Span {
	t.Helper()
	if got.status != status || got.err != nil {
		t.Fatalf("got status %d (%v), want %d: %s", got.status, got.err, status, got.body)
	}
	if err := s.shape(status, []byte(got.body)); err != nil {
		t.Error(err)
	}
	equal(t, "Content-Type", got.header.Get("Content-Type"), jsonMedia)
	spans := gw.Trace(t)
	checkTree(t, spans)
	equal(t, "outcome", spans[0].Attrs["spanway.outcome"], any("client_error"))
	equal(t, "SERVER status", spans[0].Attrs["http.response.status_code"], any(int64(status)))
	equal(t, "calls", u.Calls(), 0)
	return spans
}

// TestBadInput sends every dialect's API what it does not take.
func TestBadInput(t *testing.T) { onPlanes(t, badInput) }

func badInput(t *testing.T, p Plane) {
	for _, s := range speakers() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			u := StartUpstream(t, Respond(200, jsonMedia, "{}"))
			gw := startOn(t, p, badConfig(u.URL))
			client := newClient(t)
			for _, x := range badBodies() {
				t.Run(x.name, func(t *testing.T) {
					got := send(t.Context(), client, "POST", gw.ClientURL()+"/"+s.name+s.path, x.body, nil)
					if spans := refusedHere(t, gw, u, &s, got, x.status); Find(spans, "gen_ai.operation.name") != nil {
						t.Error("a body that could not be read has a logical span")
					}
				})
			}
			for _, method := range []string{"PUT", "PATCH", "DELETE", "GET", "BREW"} {
				t.Run(method, func(t *testing.T) {
					if method == "GET" && s.stored {
						return
					}
					if method == "BREW" && p.Name() == "envoy" { // a method that Envoy's parser does not know
						got := send(t.Context(), client, method, gw.ClientURL()+"/"+s.name+s.path, `{"model":"m-1"}`, nil)
						equal(t, "status", got.status, http.StatusBadRequest)
						return
					}
					got := send(t.Context(), client, method, gw.ClientURL()+"/"+s.name+s.path, `{"model":"m-1"}`, nil)
					refusedHere(t, gw, u, &s, got, http.StatusMethodNotAllowed)
					equal(t, "Allow", got.header.Get("Allow"), "POST")
				})
			}
			t.Run("unknown model", func(t *testing.T) {
				got := send(t.Context(), client, "POST", gw.ClientURL()+"/known/"+s.name+s.path, `{"model":"m-1","messages":[]}`, nil)
				chat := Find(refusedHere(t, gw, u, &s, got, http.StatusNotFound), "gen_ai.operation.name")
				if chat == nil {
					t.Fatal("there is no logical span")
				}
				equal(t, "error.type", chat.Attrs["error.type"], any("model_not_found"))
				equal(t, "model", chat.Attrs["gen_ai.request.model"], any("m-1"))
			})
			t.Run("no route", func(t *testing.T) {
				got := send(t.Context(), client, "POST", gw.ClientURL()+"/nowhere"+s.path, `{"model":"m-1"}`, nil)
				refusedHere(t, gw, u, &s, got, http.StatusNotFound)
			})
			t.Run("paths", func(t *testing.T) { badPaths(t, gw, u, &s) })
		})
	}
}

// badPaths tries to leave the route's prefix, and to enter it by another spelling.
func badPaths(t *testing.T, gw Running, u *Upstream, s *speaker) {
	for _, x := range []struct {
		path   string
		status int
	}{
		{"/" + s.name + "/../admin" + s.path, 400},
		{"/" + s.name + "/.." + s.path, 400},
		{"/" + s.name + "/v1/./x" + s.path, 400},
		{"/" + s.name + "/%2e%2e/admin" + s.path, 400},
		{"/" + s.name + "/.%2E/admin" + s.path, 400},
		{"/" + s.name + "/x%2f..%2fadmin" + s.path, 400},
		{"/" + s.name + "/x%5c..%5cadmin" + s.path, 400},
		{"/nowhere/../" + s.name + s.path, 404},
		{"//" + s.name + s.path, 404},
		{"/%2f" + s.name + s.path, 404},
		{"/" + s.name + "x" + s.path, 404},
		{fmt.Sprintf("/%%%02x", s.name[0]) + s.name[1:] + s.path, 404},
		{"/" + strings.ToUpper(s.name) + s.path, 404},
	} {
		t.Run(x.path, func(t *testing.T) {
			raw := "POST " + x.path + " HTTP/1.1\r\nHost: gateway\r\nContent-Length: 15\r\n\r\n{\"model\":\"m-1\"}"
			refusedHere(t, gw, u, s, sendRaw(t, gw.ClientURL(), raw), x.status)
		})
	}
}
