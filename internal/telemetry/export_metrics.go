package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/grpc/credentials"

	"github.com/spanway/spanway/internal/ir"
)

// metricsPath is appended to an endpoint that has no path (OTLP specification, OTLP/HTTP Request).
const metricsPath = "/v1/metrics"

// newMetricExporter makes the SDK's exporter for c. http/json means protobuf here: the SDK has no JSON.
func newMetricExporter(ctx context.Context, c ir.OTLP, log *slog.Logger) (sdkmetric.Exporter, error) {
	c, err := checkOTLP(c)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	headers := make(map[string]string, len(c.Headers))
	for name, value := range c.Headers {
		headers[name] = string(value)
	}
	var e sdkmetric.Exporter
	if c.Protocol == protocolGRPC {
		e, err = newGRPCMetrics(ctx, c, u, headers)
	} else {
		e, err = newHTTPMetrics(ctx, c, u, headers)
	}
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return &quietExporter{Exporter: e, log: log}, nil
}

func newGRPCMetrics(ctx context.Context, c ir.OTLP, u *url.URL, headers map[string]string) (sdkmetric.Exporter, error) {
	o := []otlpmetricgrpc.Option{
		otlpmetricgrpc.WithEndpoint(u.Host),
		otlpmetricgrpc.WithHeaders(headers),
		otlpmetricgrpc.WithTimeout(c.Timeout),
	}
	if c.Compression == compressionGzip {
		o = append(o, otlpmetricgrpc.WithCompressor(compressionGzip))
	}
	if u.Scheme != "https" {
		return otlpmetricgrpc.New(ctx, append(o, otlpmetricgrpc.WithInsecure())...)
	}
	config, err := tlsConfig(c.TLS)
	if err != nil {
		return nil, err
	}
	return otlpmetricgrpc.New(ctx, append(o, otlpmetricgrpc.WithTLSCredentials(credentials.NewTLS(config)))...)
}

func newHTTPMetrics(ctx context.Context, c ir.OTLP, u *url.URL, headers map[string]string) (sdkmetric.Exporter, error) {
	path := u.Path
	if path == "" || path == "/" {
		path = metricsPath
	}
	o := []otlpmetrichttp.Option{
		otlpmetrichttp.WithEndpoint(u.Host),
		otlpmetrichttp.WithURLPath(path),
		otlpmetrichttp.WithHeaders(headers),
		otlpmetrichttp.WithTimeout(c.Timeout),
	}
	if c.Compression == compressionGzip {
		o = append(o, otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
	}
	if u.Scheme != "https" {
		return otlpmetrichttp.New(ctx, append(o, otlpmetrichttp.WithInsecure())...)
	}
	config, err := tlsConfig(c.TLS)
	if err != nil {
		return nil, err
	}
	return otlpmetrichttp.New(ctx, append(o, otlpmetrichttp.WithTLSClientConfig(config))...)
}
