package extproc

import (
	"context"
	"net/http"
	"strings"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/llm"
)

// viaUpstream is what Envoy says of a response that a provider gave (configuration/http/http_conn_man/response_code_details).
const viaUpstream = "via_upstream"

// processorFailed begins what Envoy says of a reply that it gave because the processor did not do its part.
const processorFailed = "ext_proc_error"

// flag is one of Envoy's response flags, as the access log's %RESPONSE_FLAGS% names them.
type flag uint64

// Flags that name a reason. The bits are those of the attribute response.flags, which has a flag's number in
// envoy.data.accesslog.v3.ResponseFlags less one.
const (
	flagUH    flag = 1 << 1  // no healthy upstream
	flagUT    flag = 1 << 2  // upstream request timeout
	flagLR    flag = 1 << 3  // connection reset locally
	flagUR    flag = 1 << 4  // stream reset by the upstream
	flagUF    flag = 1 << 5  // connection to the upstream failed
	flagUC    flag = 1 << 6  // upstream connection ended
	flagUO    flag = 1 << 7  // circuit breaker
	flagDC    flag = 1 << 14 // downstream connection ended
	flagSI    flag = 1 << 16 // stream idle timeout
	flagDPE   flag = 1 << 18 // downstream protocol error
	flagUMSDR flag = 1 << 19 // the longest upstream stream duration reached
	flagDT    flag = 1 << 22 // the longest downstream duration reached
	flagUPE   flag = 1 << 23 // upstream protocol error
	flagNC    flag = 1 << 24 // no such cluster
	flagDF    flag = 1 << 26 // name not resolved
	flagDR    flag = 1 << 27 // stream reset by the downstream
)

// reasons are what the flags of an attempt that got no response say; the first that holds is right.
var reasons = []struct {
	flags  flag
	reason gateway.Reason
}{
	{flagDC | flagDR | flagDPE, gateway.ReasonClientGone},
	{flagUF | flagUH | flagUO | flagNC | flagDF, gateway.ReasonConnect},
	{flagUT | flagSI | flagUMSDR | flagDT, gateway.ReasonTimeout},
	{flagUPE, gateway.ReasonMalformed},
	{flagUC | flagUR | flagLR, gateway.ReasonReset},
}

func (f flag) reason() gateway.Reason {
	for i := range reasons {
		if f&reasons[i].flags != 0 {
			return reasons[i].reason
		}
	}
	return ""
}

// flagsOf are the flags of an entry of the access log, as far as they name a reason.
func flagsOf(m *accesslogv3.ResponseFlags) (f flag) {
	for _, x := range [...]struct {
		set  bool
		flag flag
	}{
		{m.GetNoHealthyUpstream(), flagUH}, {m.GetUpstreamRequestTimeout(), flagUT}, {m.GetLocalReset(), flagLR},
		{m.GetUpstreamRemoteReset(), flagUR}, {m.GetUpstreamConnectionFailure(), flagUF},
		{m.GetUpstreamConnectionTermination(), flagUC}, {m.GetUpstreamOverflow(), flagUO},
		{m.GetDownstreamConnectionTermination(), flagDC}, {m.GetStreamIdleTimeout(), flagSI},
		{m.GetDownstreamProtocolError(), flagDPE}, {m.GetUpstreamMaxStreamDurationReached(), flagUMSDR},
		{m.GetDurationTimeout(), flagDT}, {m.GetUpstreamProtocolError(), flagUPE}, {m.GetNoClusterFound(), flagNC},
		{m.GetDnsResolutionFailure(), flagDF}, {m.GetDownstreamRemoteReset(), flagDR},
	} {
		if x.set {
			f |= x.flag
		}
	}
	return f
}

// details are what the details of Envoy's own replies say, by their beginnings.
var details = []struct {
	begins string
	reason gateway.Reason
}{
	{"upstream_reset_before_response_started{remote_connection_failure", gateway.ReasonConnect},
	{"upstream_reset_before_response_started{local_connection_failure", gateway.ReasonConnect},
	{"upstream_reset_before_response_started{connection_timeout", gateway.ReasonConnect},
	{"upstream_reset_before_response_started{overflow", gateway.ReasonConnect},
	{"upstream_reset_before_response_started{protocol_error", gateway.ReasonMalformed},
	{"upstream_reset_before_response_started", gateway.ReasonReset},
	{"upstream_per_try_timeout", gateway.ReasonTimeout},
	{"upstream_per_try_idle_timeout", gateway.ReasonTimeout},
	{"upstream_response_timeout", gateway.ReasonTimeout},
	{"response_timeout", gateway.ReasonTimeout},
	{"upstream_max_stream_duration_reached", gateway.ReasonTimeout},
	{"max_duration_timeout", gateway.ReasonTimeout},
	{"no_healthy_upstream", gateway.ReasonConnect},
	{"cluster_not_found", gateway.ReasonConnect},
	{"maintenance_mode", gateway.ReasonConnect},
}

// reasonOf is why Envoy replied itself where a provider's response was waited for.
func reasonOf(said string, f flag) gateway.Reason {
	for i := range details {
		if strings.HasPrefix(said, details[i].begins) {
			return details[i].reason
		}
	}
	if r := f.reason(); r != "" {
		return r
	}
	return gateway.ReasonReset
}

// local is what the client gets in place of a reply of Envoy's own: that there was no response from a provider, or that the request
// could not be read.
func (x *session) local(code, said string, a attributes) *gateway.Reply {
	r := reasonOf(said, flag(a.number("response.flags")))
	switch {
	case x.phase == reading:
		return x.call.Abandon(unread(code))
	case x.headed && !x.verdict.Retry: // the provider broke off before Envoy had our word on the head
		return x.call.Cut(cutFor(r)).Reply
	case strings.HasPrefix(said, processorFailed): // a stream U, which is ours
		return x.call.Refuse(llm.Errorf(http.StatusInternalServerError, "internal_error", "internal error"))
	}
	for n := int(a.number("upstream.request_attempt_count")); x.n < n; { // attempts that had no stream
		if !x.advance(context.Background(), x.n+1, false) {
			if x.reply != nil || x.phase != attempting {
				return x.reply
			}
			break
		}
	}
	if !x.judged {
		v := x.attempt.Failed(r)
		if v.Reply != nil {
			return v.Reply
		}
		x.judge(v)
		if len(x.call.Ahead(nil)) == 0 { // none of the targets that are left can take the request
			if reply := x.next(); reply != nil {
				return reply
			}
		}
	}
	return x.attempt.GiveUp(r)
}

// unread is why a request was not read whole, by the status of Envoy's reply.
func unread(code string) gateway.Reason {
	switch code {
	case "413":
		return gateway.ReasonTooLarge
	case "408", "504":
		return gateway.ReasonSlowBody
	}
	return gateway.ReasonBadBody
}

// cutFor is what a reason means after the response's head: a body that stops early breaks its framing.
func cutFor(r gateway.Reason) gateway.Reason {
	if r == gateway.ReasonMalformed || r == gateway.ReasonConnect {
		return gateway.ReasonReset
	}
	return r
}
