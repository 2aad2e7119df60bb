package extproc

import (
	"testing"

	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"

	"github.com/spanway/spanway/internal/gateway"
)

// TestReasons takes what Envoy 1.40 was seen to say of each condition: the details and the flags of its own replies, and the flags of
// the access log.
func TestReasons(t *testing.T) {
	for _, tt := range []struct {
		condition, details string
		flags              flag
		log                *datav3.ResponseFlags
		want               gateway.Reason
	}{
		{"connection refused", "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}", 32,
			&datav3.ResponseFlags{UpstreamConnectionFailure: true}, gateway.ReasonConnect},
		{"TLS", "upstream_reset_before_response_started{remote_connection_failure|TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED}", 32,
			&datav3.ResponseFlags{UpstreamConnectionFailure: true}, gateway.ReasonConnect},
		{"no head in time", "upstream_per_try_timeout", 4, &datav3.ResponseFlags{UpstreamRequestTimeout: true}, gateway.ReasonTimeout},
		{"no end in time", "response_timeout", 4, &datav3.ResponseFlags{UpstreamRequestTimeout: true}, gateway.ReasonTimeout},
		{"closed before the head", "upstream_reset_before_response_started{connection_termination}", 64,
			&datav3.ResponseFlags{UpstreamConnectionTermination: true}, gateway.ReasonReset},
		{"not HTTP", "upstream_reset_before_response_started{protocol_error}", 1 << 23, &datav3.ResponseFlags{UpstreamProtocolError: true}, gateway.ReasonMalformed},
		{"circuit breaker", "upstream_reset_before_response_started{overflow}", 128, &datav3.ResponseFlags{UpstreamOverflow: true}, gateway.ReasonConnect},
		{"no host", "no_healthy_upstream", 2, &datav3.ResponseFlags{NoHealthyUpstream: true}, gateway.ReasonConnect},
		{"no cluster", "cluster_not_found", 1 << 24, &datav3.ResponseFlags{NoClusterFound: true}, gateway.ReasonConnect},
	} {
		if got := reasonOf(tt.details, 0); got != tt.want {
			t.Errorf("%s: the details say %q, want %q", tt.condition, got, tt.want)
		}
		if got := reasonOf("", tt.flags); got != tt.want {
			t.Errorf("%s: the flags say %q, want %q", tt.condition, got, tt.want)
		}
		if f := flagsOf(tt.log); f != tt.flags || f.reason() != tt.want {
			t.Errorf("%s: the log says %b, %q, want %b, %q", tt.condition, f, f.reason(), tt.flags, tt.want)
		}
	}
	for r, want := range map[gateway.Reason]gateway.Reason{gateway.ReasonMalformed: gateway.ReasonReset, gateway.ReasonConnect: gateway.ReasonReset,
		gateway.ReasonTimeout: gateway.ReasonTimeout, gateway.ReasonClientGone: gateway.ReasonClientGone} {
		if got := cutFor(r); got != want {
			t.Errorf("%s within a body is %q, want %q", r, got, want)
		}
	}
}
