package ir

import (
	"testing"
	"time"
)

func TestPrint(t *testing.T) {
	g := &Gateway{
		Listeners: []Listener{{Name: "a", TLS: &ServerTLS{Pairs: []KeyPair{{Cert: "c", Key: "never told"}}}}},
		Backends: []Backend{{Name: "b", URL: "http://b", Propagate: true, Key: Credential{Value: "never told"}, AuthPrefix: Opt[string]{Set: true},
			Models: map[string]string{"z": "1", "a": "yes"}, APIVersion: "2024-10-21"}},
		Routes:    []Route{{Timeout: Timeout{Request: time.Minute}, Groups: [][]Target{{{Backend: "b", Weight: 1}}}}},
		Telemetry: Telemetry{Sampler: Sampler{Type: "traceidratio", Ratio: 0.5}, Traces: []OTLP{{Headers: map[string]Secret{"k": "never told"}}}},
	}
	got, err := Print(g)
	if err != nil {
		t.Fatal(err)
	}
	const want = `listeners:
    - name: a
      tls:
        pairs:
            - cert: c
              key: '[redacted]'
telemetry:
    sampler:
        type: traceidratio
        ratio: 0.5
    traces:
        - headers:
            k: '[redacted]'
backends:
    - name: b
      url: http://b
      models:
        a: yes
        z: "1"
      apiVersion: "2024-10-21"
      key:
        value: '[redacted]'
      authPrefix: ""
      propagate: true
routes:
    - groups:
        - - backend: b
            weight: 1
      timeout:
        request: 1m0s
`
	if string(got) != want {
		t.Errorf("printed otherwise:\n%s", got)
	}
}
