package main

import (
	"bytes"
	"net"
	"text/template"
)

// bootstrap is the configuration of an Envoy whose only route leads to upstream (address:port). With a socket an external
// processor there sees every call, in Spanway's modes.
func bootstrap(upstream, socket string) ([]byte, error) {
	host, port, err := net.SplitHostPort(upstream)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = bootstrapForm.Execute(&b, map[string]string{"Host": host, "Port": port, "Socket": socket})
	return b.Bytes(), err
}

var bootstrapForm = template.Must(template.New("bootstrap").Parse(`
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: main
          codec_type: AUTO
          stream_idle_timeout: 300s
          http_filters:
{{- if .Socket}}
          - name: spanway.r
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
              grpc_service: {envoy_grpc: {cluster_name: proc}, initial_metadata: [{key: x-role, value: R}]}
              message_timeout: 60s
              allow_mode_override: true
              response_attributes: [response.code_details, response.flags, upstream.request_attempt_count, upstream.transport_failure_reason]
              processing_mode:
                request_header_mode: SEND
                request_body_mode: BUFFERED
                response_header_mode: SEND
                response_body_mode: FULL_DUPLEX_STREAMED
                request_trailer_mode: SKIP
                response_trailer_mode: SEND
{{- end}}
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            name: r
            virtual_hosts:
            - name: v
              domains: ["*"]
              request_body_buffer_limit: 10485760
              routes: [{match: {prefix: "/"}, route: {timeout: 0s, cluster: up}}]
  clusters:
{{- if .Socket}}
  - name: proc
    type: STATIC
    circuit_breakers: {thresholds: [{max_connections: 10000, max_pending_requests: 10000, max_requests: 10000, max_retries: 10000}]}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment: {cluster_name: proc, endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: {{.Socket}}}}}}]}]}
{{- end}}
  - name: up
    type: STATIC
    circuit_breakers: {thresholds: [{max_connections: 10000, max_pending_requests: 10000, max_requests: 10000, max_retries: 10000}]}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http_protocol_options: {}}
        http_filters:
{{- if .Socket}}
        - name: spanway.u
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
            grpc_service:
              envoy_grpc: {cluster_name: proc}
              initial_metadata:
              - {key: x-role, value: U}
              - {key: x-m-backend, value: "%UPSTREAM_CLUSTER%"}
              - {key: x-m-host, value: "%UPSTREAM_HOST%"}
              - {key: x-m-attempt, value: "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"}
            message_timeout: 60s
            processing_mode: {request_header_mode: SEND, request_body_mode: NONE, response_header_mode: SEND, response_body_mode: NONE}
{{- end}}
        - name: envoy.filters.http.upstream_codec
          typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec}
    load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: {{.Host}}, port_value: {{.Port}}}}}}]}]}
`))
