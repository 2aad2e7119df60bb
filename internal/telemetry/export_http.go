package telemetry

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/spanway/spanway/internal/ir"
)

// tracesPath is appended to an endpoint that has no path (OTLP specification, OTLP/HTTP Request).
const tracesPath = "/v1/traces"

// maxResponse bounds what is read of a collector's answer, bytes.
const maxResponse = 64 << 10

// httpTransport sends OTLP over HTTP, as protobuf or as JSON.
type httpTransport struct {
	url      string
	header   http.Header
	json     bool
	compress *gzipCompressor // nil = none
	client   *http.Client
}

func newHTTPTransport(c ir.OTLP, version string) (*httpTransport, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, err
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = tracesPath
	}
	config, err := tlsConfig(c.TLS)
	if err != nil {
		return nil, err
	}
	t := &httpTransport{url: u.String(), json: c.Protocol == protocolJSON, header: http.Header{}}
	t.header.Set("User-Agent", "spanway/"+version)
	t.header.Set("Content-Type", "application/x-protobuf")
	if t.json {
		t.header.Set("Content-Type", "application/json")
	}
	if c.Compression == compressionGzip {
		t.compress = &gzipCompressor{}
		t.header.Set("Content-Encoding", "gzip")
	}
	for name, value := range c.Headers {
		t.header.Set(name, string(value))
	}
	t.client = &http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     config,
		TLSHandshakeTimeout: c.Timeout,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     90 * time.Second,
		// A connection over which nothing comes any more would otherwise be used until the kernel gives it up.
		HTTP2: &http.HTTP2Config{SendPingTimeout: c.Timeout, PingTimeout: c.Timeout},
	}}
	return t, nil
}

func (t *httpTransport) export(ctx context.Context, req []byte) (rejected int, err error) {
	body := req
	if t.json {
		if body, err = transcodeJSON(req); err != nil {
			return 0, &exportError{err: err}
		}
	}
	if t.compress != nil {
		var b bytes.Buffer
		if err := t.compress.Do(&b, body); err != nil {
			return 0, &exportError{err: err}
		}
		body = b.Bytes()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return 0, &exportError{err: err}
	}
	r.Header = t.header.Clone()
	res, err := t.client.Do(r)
	if err != nil {
		return 0, &exportError{err: err, retry: true}
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxResponse))
	if res.StatusCode/100 == 2 {
		// The spans arrived: an answer that is cut or unreadable only hides a partial success.
		return t.rejected(answer), nil
	}
	if err != nil {
		return 0, &exportError{err: err, retry: true}
	}
	return 0, httpError(res)
}

// rejected reads how many spans the collector refused.
func (t *httpTransport) rejected(answer []byte) int {
	var res tracepb.ExportTraceServiceResponse
	var err error
	if t.json {
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(answer, &res)
	} else {
		err = proto.Unmarshal(answer, &res)
	}
	if err != nil {
		return 0
	}
	return int(res.GetPartialSuccess().GetRejectedSpans())
}

func (t *httpTransport) close() { t.client.CloseIdleConnections() }

// httpError sorts a refusal (OTLP specification, OTLP/HTTP Response, Retryable Response Codes).
func httpError(res *http.Response) *exportError {
	e := &exportError{err: fmt.Errorf("the collector answered %s", res.Status)}
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e.retry = true
		e.after = retryAfter(res.Header.Get("Retry-After"))
	case http.StatusRequestEntityTooLarge:
		e.tooLarge = true
	}
	return e
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3).
func retryAfter(v string) time.Duration {
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// transcodeJSON turns a protobuf request into OTLP's JSON (OTLP specification, JSON Protobuf Encoding): names in lower camel
// case, enums as numbers, and ids in hexadecimal where protobuf's own JSON has base64. An id is therefore replaced by the bytes
// whose base64 is its hexadecimal text: every such digit is one of base64's, and both lengths are multiples of four.
func transcodeJSON(req []byte) ([]byte, error) {
	var m tracepb.ExportTraceServiceRequest
	if err := proto.Unmarshal(req, &m); err != nil {
		return nil, err
	}
	for _, rs := range m.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				s.TraceId = hexAsBase64(s.TraceId)
				s.SpanId = hexAsBase64(s.SpanId)
				s.ParentSpanId = hexAsBase64(s.ParentSpanId)
			}
		}
	}
	return protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(&m)
}

func hexAsBase64(id []byte) []byte {
	b, err := base64.StdEncoding.DecodeString(hex.EncodeToString(id))
	if err != nil {
		return nil
	}
	return b
}

// tlsConfig is c as crypto/tls has it. It loads the files that c names. A client certificate is read again for every handshake, so that a renewed one
// counts.
func tlsConfig(c ir.ClientTLS) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         c.ServerName,
		InsecureSkipVerify: c.InsecureSkipVerify, //nolint:gosec // The user's choice, off by default.
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the CA: %s has no PEM certificate", c.CAFile)
		}
	} else if c.CA != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(c.CA)) {
			return nil, errors.New("read the CA: its text has no PEM certificate")
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return nil, errors.New("a client certificate needs both a certificate and a key file")
	}
	if c.CertFile == "" {
		return config, nil
	}
	if _, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile); err != nil {
		return nil, fmt.Errorf("load the client certificate: %w", err)
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		return &pair, err
	}
	return config, nil
}
