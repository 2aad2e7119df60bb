package ir

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestSecretNeverPrints(t *testing.T) {
	const text = "sk-hidden-42"
	key := Secret(text)
	gateway := Gateway{
		Backends:  []Backend{{Key: Credential{Value: key}}},
		Telemetry: Telemetry{Traces: []OTLP{{Headers: map[string]Secret{"a": key}}}},
	}
	values := map[string]any{
		"value": key, "pointer": &key, "slice": []Secret{key}, "map": map[string]Secret{"a": key}, "gateway": gateway,
	}
	for name, v := range values {
		var out bytes.Buffer
		for _, verb := range "vsqxXdobcUeEfFgGtT" {
			for _, flags := range []string{"", "+", "#", "-20", "020", ".3"} {
				fmt.Fprintf(&out, "%"+flags+string(verb)+"\n", v)
			}
		}
		fmt.Fprintln(&out, v, fmt.Errorf("wrapped: %v", v))
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "v", v)
		for encoder, marshal := range map[string]func(any) ([]byte, error){"json": json.Marshal, "yaml": yaml.Marshal} {
			data, err := marshal(v)
			if err != nil {
				t.Errorf("%s in %s: %v", name, encoder, err)
			}
			out.Write(data)
		}
		if data, err := xml.Marshal(v); err == nil { // maps have none
			out.Write(data)
		}
		for _, form := range []string{text, text[:6], fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), fmt.Sprintf("% d", []byte(text))} {
			if strings.Contains(out.String(), form) {
				t.Errorf("%s prints the secret as %q", name, form)
			}
		}
		if !strings.Contains(out.String(), "[redacted]") {
			t.Errorf("%s: nothing redacted", name)
		}
	}
	if s := fmt.Sprint(Secret("")); s != "" {
		t.Errorf("no secret prints %q", s)
	}
}
