package envoy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds what is read of an answer of the administration interface, bytes.
const maxAnswer = 4 << 20

// How Drain looks whether something still runs.
const (
	drainEvery = 10 * time.Millisecond
	quietLooks = 5 // that find nothing, one after the other
)

// Admin is the administration interface of an Envoy. It is safe for concurrent use.
type Admin struct{ client *http.Client }

// NewAdmin returns the interface at unix:PATH or HOST:PORT. Nothing is asked yet.
func NewAdmin(address string) *Admin {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	return &Admin{client: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	}}}
}

// ask sends a request to the administration interface. An answer other than 200 is an error.
func (a *Admin) ask(ctx context.Context, method, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://envoy"+path, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("envoy's %s answers %d: %.200s", path, resp.StatusCode, body)
	}
	return string(body), nil
}

// Leave makes Envoy say that it is not ready, and close connections after their next response, while it goes on serving.
func (a *Admin) Leave(ctx context.Context) error {
	if _, err := a.ask(ctx, http.MethodPost, "/healthcheck/fail"); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return nil
}

// Drain makes Envoy close its listeners at once, and its connections when what runs on them has ended. It returns when
// neither a request runs nor a byte waits to be sent, or when ctx is over, which is the error then.
func (a *Admin) Drain(ctx context.Context) error {
	// Only an Envoy that fails its health check closes connections after their response; only without "graceful" does it
	// close its listeners at once.
	if err := a.Leave(ctx); err != nil {
		return err
	}
	if _, err := a.ask(ctx, http.MethodPost, "/drain_listeners"); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	return a.Idle(ctx)
}

// Idle waits until Envoy has no request and nothing to send, for a moment in which a client of a connection that is still open
// would have sent its next request.
func (a *Admin) Idle(ctx context.Context) error {
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for quiet := 0; ; {
		busy, err := a.busy(ctx)
		if err != nil {
			return fmt.Errorf("drain: %w", err)
		}
		if quiet++; busy > 0 {
			quiet = 0
		}
		if quiet >= quietLooks {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("drain: %w", ctx.Err())
		}
	}
}

// warmPatience bounds the wait for names that are looked up; what takes longer is in use when it is found.
const warmPatience = 5 * time.Second

// Warm waits until Envoy uses all clusters that it was told of: one with a name is not in use before that was looked up. It waits
// five seconds at most, for a name that nobody answers for is no error of the others.
func (a *Admin) Warm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, warmPatience)
	defer cancel()
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for {
		text, err := a.ask(ctx, http.MethodGet, `/stats?filter=^cluster_manager\.warming_clusters$`)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("warm: %w", err)
		}
		if _, n, _ := strings.Cut(strings.TrimSpace(text), ": "); n == "0" {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// busy is the number of requests that run and of bytes that wait for clients, the administration's own left out.
func (a *Admin) busy(ctx context.Context) (int64, error) {
	text, err := a.ask(ctx, http.MethodGet, `/stats?filter=^http\..*\.downstream_(rq_active|cx_tx_bytes_buffered)$`)
	if err != nil {
		return 0, err
	}
	var sum int64
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && !strings.HasPrefix(name, "http.admin.") {
			sum += n
		}
	}
	return sum, nil
}
