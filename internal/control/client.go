package control

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/spanway/spanway/internal/ir"
)

// Times of a client.
const (
	minBackoff = 500 * time.Millisecond // before it connects again, doubled each time
	maxBackoff = 10 * time.Second
	goodStream = 10 * time.Second // one that lasted as long begins the backoff anew
)

// maxTokenFile bounds a token, bytes.
const maxTokenFile = 64 << 10

// Client is a sidecar's end of the stream. Watch is called once; Quiet may be called by another goroutine.
type Client struct {
	Address    string // HOST:PORT of the server
	ServerName string // that its certificate must have; "" = Address' host
	CAFile     string // PEM, what it is verified by; read anew for each connection
	TokenFile  string // the service account's token; read anew for each connection
	Gateway    string // NAMESPACE/NAME
	Pod        string // the pod's name, the one that its Envoy has
	Log        *slog.Logger

	mu      sync.Mutex
	running *applied          // what new calls begin with; nil = nothing was applied
	next    *applied          // what is being applied; nil = nothing is
	stream  grpc.ClientStream // nil = none is open
	state   string            // what was logged last
}

// applied is a configuration that was given to Watch's function.
type applied struct {
	conf    *ir.Gateway
	version string
	encoded string
	quiet   bool // calls of older ones do not go on
}

// Watch has apply put each configuration in place that the server sends, one at a time, until ctx ends; it returns nil then. An error
// of apply is told to the server, and what was before goes on. While the server is away, what is there goes on as well. The caller
// tells by Quiet when apply's work is over.
func (c *Client) Watch(ctx context.Context, apply func(ctx context.Context, g *ir.Gateway) error) error {
	backoff := minBackoff
	for {
		began := time.Now()
		err := c.follow(ctx, apply)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was to end
		}
		c.say("lost", slog.LevelWarn, "the control plane is away, what is there goes on", "error", err)
		if time.Since(began) > goodStream {
			backoff = minBackoff
		}
		select {
		case <-time.After(backoff/2 + rand.N(backoff/2)): //nolint:gosec // jitter
		case <-ctx.Done():
			return nil
		}
		backoff = min(backoff*2, maxBackoff)
	}
}

// Quiet says that no call goes on that began before g, which was given to apply last.
func (c *Client) Quiet(g *ir.Gateway) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.next != nil && c.next.conf == g:
		c.next.quiet = true
	case c.running != nil && c.running.conf == g:
		c.running.quiet = true
		c.tell(fields(fieldQuiet, structpb.NewStringValue(c.running.version)))
	}
}

// say logs a state once.
func (c *Client) say(state string, level slog.Level, message string, more ...any) {
	c.mu.Lock()
	same := c.state == state
	c.state = state
	c.mu.Unlock()
	if !same {
		c.Log.Log(context.Background(), level, message, append([]any{"address", c.Address, "gateway", c.Gateway}, more...)...)
	}
}

// follow holds one stream. It always ends with an error.
func (c *Client) follow(ctx context.Context, apply func(ctx context.Context, g *ir.Gateway) error) error {
	roots, err := os.ReadFile(c.CAFile)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(roots) {
		return fmt.Errorf("%s: no certificate in it", c.CAFile)
	}
	conn, err := grpc.NewClient(c.Address,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool, ServerName: c.ServerName, MinVersion: tls.VersionTLS12})),
		grpc.WithPerRPCCredentials(tokenFile(c.TokenFile)), grpc.WithDisableServiceConfig(), grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: pingTimeout}))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	streaming, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(streaming, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return plain(err)
	}
	if err := c.hello(stream); err != nil {
		return err
	}
	defer c.bye()
	for {
		m := &structpb.Struct{}
		if err := stream.RecvMsg(m); err != nil {
			return plain(err)
		}
		c.say("there", slog.LevelInfo, "the control plane is there")
		switch {
		case text(m, fieldAsk) == fieldIR:
			c.show()
		case text(m, fieldIR) != "":
			c.take(ctx, m, apply)
		}
	}
}

// plain is what a stream ended with, without gRPC's words around it.
func plain(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the stream is over")
	}
	return errors.New(status.Convert(err).Message())
}

// hello begins a stream by saying what runs here.
func (c *Client) hello(stream grpc.ClientStream) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := fields(fieldGateway, structpb.NewStringValue(c.Gateway), fieldPod, structpb.NewStringValue(c.Pod))
	if l := c.running; l != nil {
		m.Fields[fieldRunning] = structpb.NewStringValue(l.version)
		if l.quiet {
			m.Fields[fieldQuiet] = structpb.NewStringValue(l.version)
		}
	}
	if err := stream.SendMsg(m); err != nil {
		return plain(stream.RecvMsg(&structpb.Struct{})) // which has the reason
	}
	c.stream = stream
	return nil
}

func (c *Client) bye() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream = nil
}

// tell sends m, unless there is no stream: the next one's hello says what counts. It is called with mu held.
func (c *Client) tell(m *structpb.Struct) {
	if c.stream != nil {
		_ = c.stream.SendMsg(m) // RecvMsg gets the error
	}
}

// show tells the server what runs here.
func (c *Client) show() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.running; l != nil {
		c.tell(fields(fieldVersion, structpb.NewStringValue(l.version), fieldIR, structpb.NewStringValue(l.encoded)))
	}
}

// take has a configuration applied, and answers.
func (c *Client) take(ctx context.Context, m *structpb.Struct, apply func(ctx context.Context, g *ir.Gateway) error) {
	next := &applied{version: text(m, fieldVersion), encoded: text(m, fieldIR)}
	var err error
	next.conf, err = ir.Decode([]byte(next.encoded))
	if err == nil {
		c.mu.Lock()
		c.next = next
		c.mu.Unlock()
		err = apply(ctx, next.conf)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = nil
	if err != nil {
		c.Log.Error("configuration refused, the old one goes on", "version", next.version, "error", err)
		reason := err.Error()
		c.tell(fields(fieldRefused, structpb.NewStringValue(next.version),
			fieldReason, structpb.NewStringValue(strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "?"))))
		return
	}
	next.quiet = next.quiet || c.running == nil
	c.running = next
	c.tell(fields(fieldApplied, structpb.NewStringValue(next.version)))
	if next.quiet {
		c.tell(fields(fieldQuiet, structpb.NewStringValue(next.version)))
	}
}

// tokenFile is a file whose content is sent as a bearer token.
type tokenFile string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (f tokenFile) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	file, err := os.Open(string(f))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	token, err := io.ReadAll(io.LimitReader(file, maxTokenFile))
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + strings.TrimSpace(string(token))}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (f tokenFile) RequireTransportSecurity() bool { return true }
