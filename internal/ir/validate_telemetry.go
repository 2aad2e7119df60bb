package ir

import "strings"

// telemetry checks what is recorded and where it goes.
func (v *validator) telemetry() {
	t := &v.file.Telemetry
	if len(t.Conventions) == 0 {
		v.add("telemetry.conventions", Problem{Message: "no convention", Allowed: "genai"})
	}
	if s := t.Sampler; s != nil && !strings.HasSuffix(strings.ToLower(s.Type), "traceidratio") && s.Ratio != 1 {
		v.bad("telemetry.sampler.ratio", "is for traceidratio and parentbased_traceidratio only", "")
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
