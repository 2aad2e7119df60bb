package xds_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
)

// TestNoSecret: of a configuration that has a secret wherever one may stand, Envoy is told none, in either form of bootstrap.
func TestNoSecret(t *testing.T) {
	if err := os.WriteFile(filepath.Join(pki(t), "key"), []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	config := []byte(strings.ReplaceAll(`
telemetry:
  traces: [{otlp: {endpoint: "https://c.example", headers: {authorization: Bearer SECRET}}}]
  metrics: {otlp: {endpoint: "https://c.example", headers: {x-key: SECRET}}}
backends:
  inline: {provider: openai, key: sk-SECRET}
  file: {provider: anthropic, key: "${file:key}"}
  header: {provider: azure, url: "https://a.example", auth: {header: x-key, prefix: "Key ", key: SECRET}}
  headers: {provider: gemini, key: passthrough, headers: {x-team: SECRET}}
  signed: {provider: bedrock, region: us-east-1, aws: {accessKeyId: AKIA, secretAccessKey: SECRET, sessionToken: SECRET}}
  app: {provider: http, url: "http://app.example", key: SECRET}
  own: {provider: http, url: "http://own.example", headers: {cookie: SECRET}}
routes:
- targets: [[{backend: inline}, {backend: file}, {backend: header}], [{backend: headers}], [{backend: signed}]]
  policies: [{guard: {webhook: {url: "https://guard.example/SECRET", forwardHeaders: {x-token: SECRET}}, request: true}}]
- {match: {path: /app, headers: {x-visible: fine}}, to: app}
- {match: {path: /own}, to: own}
envoy: {tracing: {}, accessLog: [{fileSink: /dev/null}]}
`, "SECRET", secret))
	for _, ads := range []bool{false, true} {
		o := options
		o.ADS = ads
		b := built(t, config, o)
		wire, err := proto.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		text := string(printed(t, b))
		if strings.Contains(text, secret) || strings.Contains(string(wire), secret) {
			t.Errorf("ADS %t: Envoy is told a secret", ads)
		}
		if ads && strings.Contains(text, "/direct") {
			t.Error("a backend with a secret is called without the processor")
		}
	}
}
