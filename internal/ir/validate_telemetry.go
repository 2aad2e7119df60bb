package ir

import (
	"slices"
	"strings"
)

// telemetry checks what is recorded and where it goes.
func (v *validator) telemetry() {
	t := &v.file.Telemetry
	if len(t.Conventions) == 0 {
		v.add("telemetry.conventions", Problem{Message: "no convention", Allowed: "genai, genai-latest, openinference"})
	}
	if slices.Contains(t.Conventions, "genai") {
		if i := slices.Index(t.Conventions, "genai-latest"); i >= 0 {
			v.bad(index("telemetry.conventions", i), "names differently what genai names", "one of the two")
		}
	}
	if s := t.Sampler; s != nil && !strings.HasSuffix(strings.ToLower(s.Type), "traceidratio") && s.Ratio != 1 {
		v.bad("telemetry.sampler.ratio", "is for traceidratio and parentbased_traceidratio only", "")
	}
	if t.Tail != nil && t.Tail.Match != "" && v.options.CheckMatch != nil {
		if err := v.options.CheckMatch(t.Tail.Match); err != nil {
			v.bad("telemetry.tail.match", err.Error(), "")
		}
	}
	for i := range t.Traces {
		s, field := &t.Traces[i], index("telemetry.traces", i)
		switch {
		case s.OTLP != nil:
			v.otlp(field+".otlp", s.OTLP)
		case !v.told[field] && !v.hasProblem(field):
			v.add(field, Problem{Message: "a destination without a kind", Allowed: "otlp"})
		}
	}
	if t.Metrics.OTLP != nil {
		v.otlp("telemetry.metrics.otlp", t.Metrics.OTLP)
	}
}

// otlp checks one OTLP receiver.
func (v *validator) otlp(field string, o *otlpFile) {
	at := field + ".endpoint"
	if _, mapping := v.at[at]; !mapping {
		at = field
	}
	if u := v.url(at, o.Endpoint); u != nil && o.Protocol == "grpc" && strings.Trim(u.Path, "/") != "" {
		v.bad(at, "grpc has no path", "http://host:port or https://host:port; or protocol: http")
	}
	headerNames(v, field+".headers", o.Headers)
	v.clientTLS(field+".tls", &o.TLS, o.endpoint())
}
