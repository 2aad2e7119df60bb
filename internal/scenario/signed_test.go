package scenario

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanway/spanway/internal/scenario/sigv4"
)

const (
	awsKey    = "AKIDEXAMPLE"
	awsSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	awsToken  = "FwoGZXIvYXdzEXAMPLETOKEN"
)

// signedProvider is a provider that checks signatures as AWS does.
type signedProvider struct {
	mu  sync.Mutex
	got []string
}

// ServeHTTP implements http.Handler.
func (p *signedProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	line := r.RequestURI
	if auth := r.Header.Get("Authorization"); strings.HasPrefix(auth, "AWS4") {
		s, err := sigv4.Check(r, body, awsSecret)
		if err != nil {
			line += " " + err.Error()
		} else {
			line += fmt.Sprintf(" signed by %s for %s in %s, token %s", s.AccessKeyID, s.Service, s.Region, r.Header.Get("X-Amz-Security-Token"))
			if slices.Contains(s.Headers, "traceparent") || r.Header.Get("Traceparent") == "" {
				line += ", trace context missing or signed"
			}
		}
	} else {
		line += " " + auth
	}
	if r.Header["X-Amz-Content-Sha256"] != nil || r.Header.Get("X-Amz-Security-Token") == "the client's" {
		line += ", with headers of the client's signature"
	}
	p.mu.Lock()
	p.got = append(p.got, line)
	p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"output":{"message":{"role":"assistant","content":[{"text":"Hi"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}`))
}

// TestSigned has requests signed for Bedrock: whatever the client brings as a credential stays here, what changes after the
// signature is not part of it, and neither trace nor log nor answer holds a secret.
func TestSigned(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("HOME", t.TempDir())
	p := &signedProvider{}
	up := httptest.NewServer(p)
	defer up.Close()
	conf := fmt.Sprintf(`
listen: 127.0.0.1:0
admin: 127.0.0.1:0
backends:
  signed: {provider: bedrock, region: us-west-2, url: %[1]q, aws: {accessKeyId: %[2]s, secretAccessKey: %[3]q, sessionToken: %[4]s}}
  none: {provider: bedrock, region: us-west-2, url: %[1]q}
  apikey: {provider: bedrock, region: us-west-2, url: %[1]q, key: bedrock-api-key-1}
  caller: {provider: bedrock, region: us-west-2, url: %[1]q, key: passthrough}
routes:
  - {name: signed, match: {path: /signed}, to: signed}
  - {name: none, match: {path: /none}, to: none}
  - {name: over, match: {path: /over}, targets: [{backend: none}, {backend: signed}]}
  - {name: apikey, match: {path: /apikey}, to: apikey}
  - {name: caller, match: {path: /caller}, to: caller}
`, up.URL, awsKey, awsSecret, awsToken)
	onPlanes(t, func(t *testing.T, plane Plane) {
		var logs safeBuffer
		signed(t, p, startLogging(t, plane, conf, &logs), &logs)
	})
}

// signed calls gw, which is configured as TestSigned says.
func signed(t *testing.T, p *signedProvider, gw Running, logs *safeBuffer) {
	const path = "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse"
	const signature = "AWS4-HMAC-SHA256 Credential=CLIENTKEY/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"
	const byUs = path + " signed by " + awsKey + " for bedrock in us-west-2, token " + awsToken
	for _, c := range []struct {
		name, path, auth string
		status           int
		got              string // by the provider
		says             string // to the client
		failed           []string
	}{
		{name: "client without a credential", path: "/signed" + path, status: 200, got: byUs},
		{name: "client with a signature", path: "/signed" + path + "?X-Amz-Signature=00", auth: signature, status: 200, got: byUs},
		{name: "client with a key", path: "/signed" + path, auth: "Bearer caller-key", status: 200, got: byUs},
		{name: "model with a plain colon", path: "/signed/model/m:0/converse", status: 200, got: strings.Replace(byUs, path, "/model/m:0/converse", 1)},
		{name: "path that no dialect knows", path: "/signed/guardrail/g/version/1/apply?b=1&a=%2F", status: 200, got: strings.Replace(byUs, path, "/guardrail/g/version/1/apply?b=1&a=%2F", 1)},
		{name: "no credentials", path: "/none" + path, status: 500, says: "AWS_ACCESS_KEY_ID", failed: []string{"POST aws_credentials"}},
		{name: "no credentials, but another target", path: "/over" + path, status: 200, got: byUs, failed: []string{"POST aws_credentials"}},
		{name: "API key", path: "/apikey" + path, auth: signature, status: 200, got: path + " Bearer bedrock-api-key-1"},
		{name: "caller's key", path: "/caller" + path, auth: "Bearer caller-key", status: 200, got: path + " Bearer caller-key"},
		{name: "caller's signature", path: "/caller" + path, auth: signature, status: 401, says: "bearer token"},
		{name: "caller without a credential", path: "/caller" + path, status: 401, says: "bearer token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.got = nil
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gw.ClientURL()+c.path, strings.NewReader(`{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = http.Header{"Content-Type": {"application/json"}, "X-Amz-Date": {"20260101T000000Z"}, "X-Amz-Content-Sha256": {"00"},
				"X-Amz-Security-Token": {"the client's"}, "X-Amzn-Bedrock-Trace": {"ENABLED"}}
			if c.auth != "" {
				req.Header.Set("Authorization", c.auth)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.status || !strings.Contains(string(body), c.says) {
				t.Errorf("status %d, want %d; %s", resp.StatusCode, c.status, body)
			}
			if got := strings.Join(p.got, "\n"); got != c.got {
				t.Errorf("the provider got\n%s\nwant\n%s", got, c.got)
			}
			spans := gw.Trace(t)
			var failed []string
			for _, s := range spans {
				if s.Name == "POST" && s.Failed {
					failed = append(failed, fmt.Sprint(s.Name, " ", s.Attrs["error.type"]))
				}
			}
			if d := cmp.Diff(c.failed, failed); d != "" {
				t.Error(d)
			}
			all := fmt.Sprintf("%v %s %v %s %s", spans, body, resp.Header, logs.String(), told(t, gw))
			for _, secret := range []string{awsSecret, awsToken, "Signature=00", "bedrock-api-key-1", "caller-key"} {
				if i := strings.Index(all, secret); i >= 0 {
					t.Errorf("%q is in the trace, the log, the answer or what Envoy was told:\n%s", secret, all[max(0, i-600):min(len(all), i+100)])
				}
			}
		})
	}
}
