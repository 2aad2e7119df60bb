package sdk

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	"github.com/spanway/spanway/internal/frame"
	"github.com/spanway/spanway/internal/matrix/published"
	"github.com/spanway/spanway/internal/scenario"
	"github.com/spanway/spanway/internal/scenario/sigv4"
)

// TestBedrockInvokeStream has AWS' own client stream from a provider that checks signatures, through a gateway that signs anew
// and masks: the client reads every message of the stream that was written anew, and the provider takes the gateway's signature
// in the place of the client's.
func TestBedrockInvokeStream(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if s, err := sigv4.Check(r, body, secret); err != nil || s.AccessKeyID != "AKIDGATEWAY" {
			t.Errorf("%+v: %v", s, err)
		}
		if want := "/model/us.amazon.nova-lite-v1%3A0/invoke-with-response-stream"; r.RequestURI != want {
			t.Errorf("path %s, want %s", r.RequestURI, want)
		}
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		for i, text := range []string{"Take 40128888", "88881881 for that."} {
			b64 := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"contentBlockDelta":{"delta":{"text":%q},"contentBlockIndex":%d}}`, text, i))
			h := frame.AppendHeader(nil, ":event-type", "chunk")
			h = frame.AppendHeader(h, ":content-type", "application/json")
			h = frame.AppendHeader(h, ":message-type", "event")
			_, _ = w.Write(frame.AppendMessage(nil, h, []byte(`{"bytes":"`+b64+`","p":"abcd"}`)))
		}
	}))
	defer up.Close()
	gw := scenario.Start(t, fmt.Sprintf(`
listen: 127.0.0.1:0
admin: 127.0.0.1:0
backends:
  aws: {provider: bedrock, region: eu-west-1, url: %q, aws: {accessKeyId: AKIDGATEWAY, secretAccessKey: %q}}
routes: [{to: aws, match: {path: /b}, policies: [{guard: {regex: {builtins: [CREDIT_CARD]}, response: mask}}]}]
`, up.URL, secret))
	client := bedrockruntime.New(bedrockruntime.Options{Region: "us-east-1", BaseEndpoint: aws.String(gw.URL + "/b"), HTTPClient: published.AWSClient{HTTP: http.DefaultClient},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDCLIENT", "client-secret", "client-token")})
	out, err := client.InvokeModelWithResponseStream(t.Context(), &bedrockruntime.InvokeModelWithResponseStreamInput{
		ModelId: aws.String("us.amazon.nova-lite-v1:0"), Body: []byte(`{"messages":[{"role":"user","content":[{"text":"hi"}]}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for ev := range out.GetStream().Events() {
		chunk, ok := ev.(*types.ResponseStreamMemberChunk)
		if !ok {
			t.Fatalf("got a %T", ev)
		}
		var m struct {
			ContentBlockDelta struct{ Delta struct{ Text string } }
		}
		if err := json.Unmarshal(chunk.Value.Bytes, &m); err != nil {
			t.Fatal(err)
		}
		text.WriteString(m.ContentBlockDelta.Delta.Text)
	}
	if err := out.GetStream().Close(); err != nil {
		t.Fatal(err)
	}
	if err := out.GetStream().Err(); err != nil {
		t.Fatal(err)
	}
	if got := text.String(); got != "Take <CREDIT_CARD> for that." {
		t.Errorf("the client reads %q", got)
	}
}
