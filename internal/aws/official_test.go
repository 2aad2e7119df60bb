package aws

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/scenario/sigv4"
)

// TestLikeTheOfficialClient has the official client of Bedrock call a server that checks signatures, and then sends what
// came, signed by us: the server takes both. Names of models have ":" and "/", which are escaped once in the path and once
// more in what is signed.
func TestLikeTheOfficialClient(t *testing.T) {
	bare(t)
	const id, secret = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	var paths []string
	var failures []error
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s, err := sigv4.Check(r, body, secret)
		if err == nil && (s.AccessKeyID != id || s.Region != "us-east-1" || s.Service != "bedrock") {
			t.Errorf("scope %+v", s)
		}
		failures = append(failures, err)
		paths = append(paths, r.RequestURI)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{}"))
	}))
	defer server.Close()
	client := bedrockruntime.New(bedrockruntime.Options{Region: "us-east-1", BaseEndpoint: &server.URL,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, "token")})
	signer := NewSigner(ir.AWS{AccessKeyID: id, SecretAccessKey: secret, SessionToken: "token"}, "us-east-1")
	body := []byte(`{"inputText":"ü"}`)
	for _, model := range []string{
		"anthropic.claude-3-haiku-20240307-v1:0",
		"arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc 1",
	} {
		_, err := client.InvokeModel(t.Context(), &bedrockruntime.InvokeModelInput{ModelId: &model, Body: body,
			ContentType: sdk.String("application/json"), GuardrailIdentifier: sdk.String("g1")})
		if err != nil {
			t.Fatal(err)
		}
		path := paths[len(paths)-1]
		// The plain ":" is what Anthropic's client sends.
		for _, p := range []string{path, "/model/plain:0/invoke"} {
			host := server.Listener.Addr().String()
			h := http.Header{"Content-Type": {"application/json"}, "X-Amzn-Bedrock-Guardrailidentifier": {"g1"}, "X-Amz-Date": {"the client's"}}
			if err := signer.Sign(t.Context(), &Request{Service: "bedrock", Method: "POST", Host: host, Path: p, Query: "b=2&a=1%2F", Body: body}, h); err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+p+"?b=2&a=1%2F", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = h
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		}
	}
	if len(failures) != 6 {
		t.Errorf("the server saw %d requests", len(failures))
	}
	for i, err := range failures {
		if err != nil {
			t.Errorf("request %d, %s: %v", i, paths[i], err)
		}
	}
}

// BenchmarkSign signs a request of 4 KiB with credentials that are there.
func BenchmarkSign(b *testing.B) {
	s := NewSigner(ir.AWS{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "s"}, "us-east-1")
	body := bytes.Repeat([]byte("x"), 4<<10)
	h := http.Header{"Content-Type": {"application/json"}}
	r := &Request{Service: "bedrock", Method: "POST", Host: "bedrock-runtime.us-east-1.amazonaws.com", Path: "/model/m/invoke", Body: body}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := s.Sign(b.Context(), r, h); err != nil {
			b.Fatal(err)
		}
	}
}
