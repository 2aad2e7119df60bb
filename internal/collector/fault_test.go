package collector

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/spanway/spanway/internal/scenario"
	"github.com/spanway/spanway/internal/telemetry"
)

// fault is a way in which a receiver fails.
type fault struct {
	name, protocol string
	answer         answerFunc
	link           behaviour
	timeout        time.Duration // of an export; 0 = 5 s
	takesNothing   bool          // while it lasts, so that the queue overflows
	restarts       bool          // stops and starts at the same address, several times
	vanishes       bool          // what is connected becomes a black hole midway; over HTTP with TLS, thus HTTP/2
}

// fail is an answer that is always the same.
func fail(err error) answerFunc {
	return func(context.Context) (int, error) { return 0, err }
}

// exhausted is gRPC's answer of a receiver that asks for a pause (OTLP specification, OTLP/gRPC Throttling).
func exhausted(t *testing.T) error {
	t.Helper()
	st, err := status.New(codes.ResourceExhausted, "memory is short").WithDetails(
		&errdetails.RetryInfo{RetryDelay: durationpb.New(300 * time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	return st.Err()
}

// second answers after one, unless the sender gives up.
func second(ctx context.Context) (int, error) {
	select {
	case <-time.After(time.Second):
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func faults(t *testing.T) []fault {
	return []fault{
		{name: "down", protocol: grpcProtocol, link: absent, takesNothing: true},
		{name: "hangs", protocol: grpcProtocol, link: hanging, timeout: 500 * time.Millisecond, takesNothing: true},
		{name: "hangs", protocol: httpProtocol, link: hanging, timeout: 500 * time.Millisecond, takesNothing: true},
		{name: "slow", protocol: grpcProtocol, answer: second},
		{name: "RESOURCE_EXHAUSTED", protocol: grpcProtocol, takesNothing: true,
			answer: fail(status.Error(codes.ResourceExhausted, "data refused due to high memory usage"))},
		{name: "RESOURCE_EXHAUSTED with RetryInfo", protocol: grpcProtocol, takesNothing: true, answer: fail(exhausted(t))},
		{name: "429", protocol: httpProtocol, takesNothing: true, answer: fail(refusal{429, ""})},
		{name: "503 with Retry-After", protocol: jsonProtocol, takesNothing: true, answer: fail(refusal{503, "1"})},
		{name: "closes connections", protocol: grpcProtocol, link: cutting},
		{name: "closes connections", protocol: httpProtocol, link: cutting},
		{name: "restarts", protocol: grpcProtocol, restarts: true},
		{name: "partial success", protocol: grpcProtocol, answer: func(context.Context) (int, error) { return 2, nil }},
		{name: "partial success", protocol: jsonProtocol, answer: func(context.Context) (int, error) { return 2, nil }},
		{name: "vanishes", protocol: grpcProtocol, vanishes: true, timeout: 500 * time.Millisecond},
		{name: "vanishes", protocol: httpProtocol, vanishes: true, timeout: 500 * time.Millisecond},
	}
}

// patient is a fault with what it happens to.
type patient struct {
	fault
	receiver *receiver
	link     *link
	endpoint string
	security string // of the sink's configuration
}

// sick starts a receiver with the fault f.
func sick(t *testing.T, f fault, tls *authority) *patient {
	t.Helper()
	p := &patient{fault: f, receiver: &receiver{}}
	p.receiver.become(f.answer)
	if f.vanishes && f.protocol != grpcProtocol {
		p.link = startLink(t, p.receiver.serve(t, f.protocol, tls.server(t)), f.link)
		p.endpoint, p.security = "https://"+p.link.address, fmt.Sprintf(", tls: {ca: %q}", tls.ca)
		return p
	}
	p.link = startLink(t, p.receiver.serve(t, f.protocol, nil), f.link)
	p.endpoint = "http://" + p.link.address
	return p
}

// Under 200 calls a second, whose traces go to receivers of which each fails in its own way, no call fails or waits, every
// queue stays within its bound, and once all work again every span has arrived or is counted.
func TestFaults(t *testing.T) {
	const (
		calls = 700
		queue = 1 << 20
	)
	tls := newAuthority(t)
	var patients []*patient
	var sinks []string
	for _, f := range faults(t) {
		p := sick(t, f, tls)
		patients = append(patients, p)
		sinks = append(sinks, fmt.Sprintf("{otlp: {endpoint: %q, protocol: %s, timeout: %v%s}, queue: 1MiB, interval: 100ms}",
			p.endpoint, p.protocol, cmp.Or(p.timeout, 5*time.Second), p.security))
	}
	provider := startProvider(t)
	off := scenario.Start(t, gatewayConf(provider.URL, "{traces: []}"))
	on := scenario.Start(t, gatewayConf(provider.URL, "{capture: messages, traces: ["+strings.Join(sinks, ", ")+"]}"))

	body := chat(t, "llama3.2", strings.Repeat("All work and no play. ", 200))
	took := load(t, calls, body, func(i int) {
		for _, st := range on.Pipeline.Stats() {
			if st.Queued > queue {
				t.Errorf("%s: %d bytes are queued, bound %d", st.Sink, st.Queued, queue)
			}
		}
		for _, p := range patients {
			switch {
			case p.vanishes && i == calls/2:
				p.link.silence()
			case p.restarts && i%100 == 50:
				p.link.drop()
			case p.restarts && i%100 == 70:
				p.link.restore(t)
			}
		}
	}, off.URL, on.URL)
	checkLatency(t, took[0], took[1])

	for _, p := range patients {
		p.receiver.become(nil)
		p.link.heal(t)
	}
	settle(t, on, 3*calls)
	page := scrape(t, newClient(t), on.Admin)
	all := exportAll(t, on, 3*calls)
	for i, p := range patients {
		t.Run(p.protocol+" "+p.name, func(t *testing.T) {
			p.check(t, all[i], 3*calls)
			for state, n := range map[string]int64{"exported": all[i].Exported, "dropped": all[i].Dropped, "failed": all[i].Failed} {
				labels := []string{fmt.Sprintf("sink=%q", p.endpoint), fmt.Sprintf("state=%q", state)}
				if got := page.sum("spanway_telemetry_spans_total", labels...); got != float64(n) {
					t.Errorf("/metrics says %v spans are %s, want %d", got, state, n)
				}
			}
		})
	}
}

// checkLatency compares calls that were made at the same time without and with tracing. A call that waited for a receiver
// would take as long as the shortest of the faults, half a second.
func checkLatency(t *testing.T, off, on []time.Duration) {
	t.Helper()
	slices.Sort(off)
	slices.Sort(on)
	median := func(d []time.Duration) time.Duration { return d[len(d)/2] }
	most := func(d []time.Duration) time.Duration { return d[len(d)*99/100] }
	t.Logf("without and with tracing: median %v, %v; 99th percentile %v, %v", median(off), median(on), most(off), most(on))
	if a, b := median(off), median(on); b > 3*a+5*time.Millisecond {
		t.Errorf("the median of a call grows from %v to %v", a, b)
	}
	if a, b := most(off), most(on); b > 3*a+200*time.Millisecond {
		t.Errorf("the 99th percentile of a call grows from %v to %v", a, b)
	}
}

// check compares what the gateway counted with what arrived.
func (p *patient) check(t *testing.T, st telemetry.SinkStats, spans int64) {
	t.Helper()
	a := p.receiver.account()
	t.Logf("%+v; %d arrived, %d requests more than once, %d connections broken", st, len(a.spans), a.repeats, p.link.broken())
	if st.Accepted != spans {
		t.Errorf("%d spans were handed over, want %d", st.Accepted, spans)
	}
	if st.Failed != a.rejected {
		t.Errorf("%d spans failed, the receiver rejected %d", st.Failed, a.rejected)
	}
	if int64(len(a.spans)) != st.Exported || st.Exported == 0 {
		t.Errorf("%d spans arrived, %d are counted as exported", len(a.spans), st.Exported)
	}
	if (p.link.broken() == 0) == (p.vanishes || p.restarts || p.fault.link == cutting) {
		t.Errorf("%d connections were broken", p.link.broken())
	}
	if p.takesNothing && st.Dropped == 0 {
		t.Errorf("nothing is dropped: the queue did not overflow, so its bound was not tested")
	}
	if p.takesNothing && st.Exported < spans/10 {
		t.Errorf("%d spans of the queue arrived after the recovery", st.Exported)
	}
	// One export runs at a time: a request arrives again only if the connection of its first answer broke.
	if a.repeats > p.link.broken() {
		t.Errorf("%d requests arrived more than once, %d connections broke", a.repeats, p.link.broken())
	}
}
