package translate

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	gwv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/spanway/spanway/api/v1alpha1"
	"github.com/spanway/spanway/internal/ir"
)

// accessLogs reads Envoy's access logs. One that is at fault is left out.
func (p *listenerPolicy) accessLogs(m *envoyMaker) {
	for i := range p.settings.AccessLog {
		c, at := &p.settings.AccessLog[i], p.at+".accessLog["+strconv.Itoa(i)+"]"
		before := len(p.faults)
		filter := p.filter(at+".filter", c.Filter)
		var logs []ir.EnvoyLog
		if c.FileSink != nil {
			logs = append(logs, ir.EnvoyLog{File: p.fileLog(at+".fileSink", c.FileSink)})
		}
		if c.GRPCService != nil {
			logs = append(logs, ir.EnvoyLog{GRPC: p.grpcLog(at+".grpcService", c.GRPCService)})
		}
		if c.OpenTelemetry != nil {
			logs = append(logs, ir.EnvoyLog{OTel: p.otelLog(at+".openTelemetry", c.OpenTelemetry)})
		}
		if len(logs) == 0 {
			p.warn(at, "has no sink: want fileSink, grpcService or openTelemetry")
		}
		if len(p.faults) > before {
			continue
		}
		for _, l := range logs {
			l.Filter = filter
			m.out.AccessLogs = append(m.out.AccessLogs, l)
		}
	}
}

// format refuses formats that print credentials, and those for which Envoy would refuse the whole configuration.
func (p *listenerPolicy) format(field, text string) string {
	if ir.PrintsCredential(text) {
		p.fault(field, "prints a header that carries credentials")
	} else if err := ir.CheckFormat(text); err != nil {
		p.fault(field, "%s", err)
	}
	return text
}

func (p *listenerPolicy) fileLog(field string, c *v1alpha1.FileSink) *ir.EnvoyFileLog {
	switch {
	case c.Path == "":
		p.fault(field+".path", "is empty")
	case !strings.HasPrefix(c.Path, "/dev/std"):
		p.warn(field+".path", "Envoy opens %s at once: unless it can be written there, Envoy refuses all of the configuration; /dev/stdout always can", c.Path)
	}
	out := &ir.EnvoyFileLog{Path: c.Path, Text: p.format(field+".stringFormat", deref(c.StringFormat, ""))}
	if c.JSONFormat == nil {
		return out
	}
	field += ".jsonFormat"
	var fields map[string]any
	if err := json.Unmarshal(c.JSONFormat.Raw, &fields); err != nil {
		p.fault(field, "is no JSON object")
		return out
	}
	out.JSON = make(map[string]string, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch v := fields[name].(type) {
		case string:
			out.JSON[name] = p.format(field+"."+name, v)
		case map[string]any, []any:
			p.ignore(field+"."+name, "lists and objects are not supported")
		default:
			text, _ := json.Marshal(v)
			out.JSON[name] = string(text)
		}
	}
	return out
}

func (p *listenerPolicy) grpcLog(field string, c *v1alpha1.AccessLogGRPCService) *ir.EnvoyGRPCLog {
	if c.LogName == "" {
		p.fault(field+".logName", "is empty")
	}
	where, _ := p.collector(field+".backendRef", &c.BackendRef)
	out := &ir.EnvoyGRPCLog{Endpoint: where.URL, Endpoints: where.Endpoints, TLS: where.TLS, Name: c.LogName, Authority: p.grpc(field, &c.GRPCService),
		RequestHeaders: c.AdditionalRequestHeadersToLog, ResponseHeaders: c.AdditionalResponseHeadersToLog, ResponseTrailers: c.AdditionalResponseTrailersToLog}
	for i, h := range out.RequestHeaders {
		if ir.HoldsCredential(h) {
			p.fault(field+".additionalRequestHeadersToLog["+strconv.Itoa(i)+"]", "%s carries credentials", h)
		}
	}
	return out
}

func (p *listenerPolicy) otelLog(field string, c *v1alpha1.OpenTelemetryAccessLog) *ir.EnvoyOTelLog {
	export, _ := p.export(field+".grpcService", &c.GRPCService.GRPCService)
	return &ir.EnvoyOTelLog{Export: export, Name: c.GRPCService.LogName, Body: p.format(field+".body", deref(c.Body, "")),
		WithoutLabels: deref(c.DisableBuiltinLabels, false), Attributes: p.attributes(field+".attributes", c.Attributes),
		ResourceLabels: p.attributes(field+".resourceAttributes", c.ResourceAttributes)}
}

func (p *listenerPolicy) attributes(field string, c *v1alpha1.KeyAnyValueList) map[string]string {
	if c == nil || len(c.Values) == 0 {
		return nil
	}
	out := make(map[string]string, len(c.Values))
	for i := range c.Values {
		v, at := &c.Values[i], field+".values["+strconv.Itoa(i)+"].value"
		if v.Value.StringValue == nil {
			p.ignore(at, "values other than texts are not supported")
			continue
		}
		out[v.Key] = p.format(at+".stringValue", *v.Value.StringValue)
	}
	return out
}

// filter is nil for all calls.
func (p *listenerPolicy) filter(field string, c *v1alpha1.AccessLogFilter) *ir.EnvoyLogFilter {
	switch {
	case c == nil:
		return nil
	case len(c.AndFilter) > 0:
		return &ir.EnvoyLogFilter{And: p.filters(field+".andFilter", c.AndFilter)}
	case len(c.OrFilter) > 0:
		return &ir.EnvoyLogFilter{Or: p.filters(field+".orFilter", c.OrFilter)}
	}
	out := p.condition(field, &c.AccessLogConditions)
	return &out
}

func (p *listenerPolicy) filters(field string, list []v1alpha1.AccessLogCondition) []ir.EnvoyLogFilter {
	var out []ir.EnvoyLogFilter
	for i := range list {
		out = append(out, p.condition(field+"["+strconv.Itoa(i)+"]", &list[i].AccessLogConditions))
	}
	return out
}

func (p *listenerPolicy) condition(field string, c *v1alpha1.AccessLogConditions) ir.EnvoyLogFilter {
	compare := func(c *v1alpha1.ComparisonFilter) *ir.EnvoyComparison {
		return &ir.EnvoyComparison{Op: string(c.Op), Value: uint32(c.Value)} // the schema bounds it
	}
	switch {
	case c.StatusCodeFilter != nil:
		return ir.EnvoyLogFilter{Status: compare(c.StatusCodeFilter)}
	case c.DurationFilter != nil:
		return ir.EnvoyLogFilter{Duration: compare(c.DurationFilter)}
	case c.NotHealthCheckFilter != nil:
		return ir.EnvoyLogFilter{NotHealthCheck: true}
	case c.TraceableFilter != nil:
		return ir.EnvoyLogFilter{Traceable: true}
	case c.HeaderFilter != nil:
		h := &c.HeaderFilter.Header
		out := ir.HeaderMatch{Name: strings.ToLower(string(h.Name))}
		if deref(h.Type, gwv1.HeaderMatchExact) == gwv1.HeaderMatchRegularExpression {
			out.Regex = h.Value
			if err := ir.CheckRegex(h.Value); err != nil {
				p.fault(field+".headerFilter.header.value", "%s", err)
			}
		} else {
			out.Exact = h.Value
		}
		return ir.EnvoyLogFilter{Header: &out}
	case c.ResponseFlagFilter != nil:
		for i, name := range c.ResponseFlagFilter.Flags {
			if !slices.Contains(ir.ResponseFlags, name) {
				p.fault(field+".responseFlagFilter.flags["+strconv.Itoa(i)+"]", "%q is no response flag of Envoy's, such as %s", name, strings.Join(ir.ResponseFlags[:4], ", "))
			}
		}
		return ir.EnvoyLogFilter{ResponseFlags: append([]string{}, c.ResponseFlagFilter.Flags...)}
	case c.GRPCStatusFilter != nil:
		out := &ir.EnvoyGRPCStatus{Exclude: c.GRPCStatusFilter.Exclude}
		for _, s := range c.GRPCStatusFilter.Statuses {
			out.Statuses = append(out.Statuses, string(s))
		}
		return ir.EnvoyLogFilter{GRPCStatus: out}
	case c.CELFilter != nil:
		if err := ir.CheckExpression(c.CELFilter.Match); err != nil {
			p.fault(field+".celFilter.match", "%q is no expression in CEL: %s", c.CELFilter.Match, err)
		}
		return ir.EnvoyLogFilter{CEL: c.CELFilter.Match}
	}
	p.fault(field, "names no condition")
	return ir.EnvoyLogFilter{Traceable: true}
}
