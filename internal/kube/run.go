package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/spanway/spanway/internal/admin"
	"github.com/spanway/spanway/internal/control"
	"github.com/spanway/spanway/internal/deployer"
	"github.com/spanway/spanway/internal/translate"
)

// exportPatience bounds the export of the last traces.
const exportPatience = 5 * time.Second

// Run is the control plane. It serves until ctx is over; data planes go on with what they have after that. An error is one of the
// beginning: a setting that is wrong, an address that is in use.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	c, err := newController(ctx, &o)
	if err != nil {
		return err
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), exportPatience)
		defer cancel()
		if e := c.export(last); e != nil {
			c.log.Warn("not all traces of the controller were sent", "error", e)
		}
	}()
	admins, err := c.listen(ctx)
	defer func() {
		for _, a := range admins {
			a.Close()
		}
	}()
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", o.ControlAddress)
	if err != nil {
		return fmt.Errorf("control port: %w", err)
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err == nil {
		c.deploys, err = o.deploy(port)
	}
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	server := control.New(control.Options{Log: c.log, TLS: c.certs.tls(), Processor: deployer.Processor, Roots: deployer.Roots,
		Authenticate: func(ctx context.Context, token string) (control.Identity, error) {
			return authenticate(ctx, c.w.client, token)
		}})
	c.planes = server
	c.met.planes(server.Metrics)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := server.Serve(ln); err != nil {
			c.log.Error("control port", "error", err)
		}
	})
	c.log.Info("controller started", "version", o.Version, "control_address", ln.Addr().String(), "namespace", o.Namespace)
	c.run(ctx)
	server.Shutdown()
	wg.Wait()
	c.log.Info("controller stopped")
	return nil
}

// newController makes the parts of a control plane. Nothing is asked of the API server yet.
func newController(ctx context.Context, o *Options) (*controller, error) {
	cfg, err := o.config()
	if err != nil {
		return nil, err
	}
	cfg.UserAgent = "spanway/" + o.Version
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	c := &controller{o: o, log: o.Log, kinds: newKinds(), met: newMetrics(), scheme: scheme, config: cfg,
		dirty: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
	c.refs = newReferences(c.kinds)
	if c.tracer, c.export, err = tracing(ctx, o.Version); err != nil {
		return nil, err
	}
	defaults, err := o.defaults()
	if err != nil {
		return nil, err
	}
	c.translation = translate.Options{Defaults: defaults, PolicyNamespace: o.PolicyNamespace, Domain: o.Domain}
	reads, err := newClient(cfg, o.QPS, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	// Writing thousands of statuses must not hold up what data planes wait for.
	if c.writes, err = newClient(cfg, o.QPS, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	d, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	c.w = &watcher{client: reads, discovery: d, log: o.Log, signal: c.signal, retry: o.retry, sources: map[*kind]*source{}}
	c.certs = &certs{client: reads, secret: types.NamespacedName{Namespace: o.Namespace, Name: certificateName}, host: o.ControlHost, log: o.Log,
		now: time.Now, changed: make(chan struct{}, 1), update: func() { nudge(c.wake) }}
	return c, nil
}

// SetLog has Kubernetes' libraries log to log what is Info or above. It concerns the whole process and is not safe while anything of
// theirs runs: a program calls it once, before Run.
func SetLog(log *slog.Logger) {
	quiet := notable{log.Handler()}
	ctrllog.SetLogger(logr.FromSlogHandler(quiet))
	klog.SetSlogLogger(slog.New(quiet))
}

// notable leaves out of Kubernetes' libraries' logs what is below Info: it is about the libraries themselves.
type notable struct{ slog.Handler }

// Enabled implements slog.Handler.
func (n notable) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo && n.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (n notable) WithAttrs(a []slog.Attr) slog.Handler { return notable{n.Handler.WithAttrs(a)} }

// WithGroup implements slog.Handler.
func (n notable) WithGroup(name string) slog.Handler { return notable{n.Handler.WithGroup(name)} }

// newClient is a client with a bound of its own of requests a second.
func newClient(cfg *rest.Config, qps float32, o client.Options) (client.WithWatch, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS, cfg.Burst, cfg.RateLimiter = qps, int(2*qps), nil
	hc, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	if o.Mapper, err = apiutil.NewDynamicRESTMapper(cfg, hc); err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	o.HTTPClient = hc
	c, err := client.NewWithWatch(cfg, o)
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	return c, nil
}

// run does everything until ctx is over.
func (c *controller) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	seen := make(chan struct{})
	wg.Go(func() { c.w.run(ctx, c.kinds.all(), seen) })
	wg.Go(func() { c.certs.run(ctx, c.met.leads.Load) })
	wg.Go(func() { c.lead(ctx) })
	select {
	case <-ctx.Done():
	case <-seen:
		c.log.Info("all objects are known")
		c.loop(ctx)
	}
}

// lead writes while this replica leads.
func (c *controller) lead(ctx context.Context) {
	write := func(ctx context.Context) {
		c.log.Info("leading: this replica deploys and writes statuses", "identity", c.o.Lease.Identity)
		c.met.leads.Store(true)
		defer c.met.leads.Store(false)
		nudge(c.certs.changed)
		newWriter(c, c.writes).run(ctx)
		c.log.Info("not leading any more")
	}
	if !c.o.LeaderElection {
		write(ctx)
		return
	}
	if err := elect(ctx, c.config, c.o.Namespace, &c.o.Lease, write); err != nil {
		c.log.Error("this replica will never lead", "error", err)
	}
}

// listen begins to answer operators.
func (c *controller) listen(ctx context.Context) ([]*admin.Server, error) {
	var out []*admin.Server
	metrics := promhttp.HandlerFor(c.met.gatherer(), promhttp.HandlerOpts{EnableOpenMetrics: true})
	for _, address := range []string{c.o.HealthAddress, c.o.MetricsAddress} {
		if address == "" || len(out) > 0 && address == c.o.HealthAddress {
			continue
		}
		s := &admin.Server{Log: c.log, Ready: func() bool { return c.ready.Load() && c.certs.authority() != "" }}
		s.SetMetrics(metrics)
		ln, err := s.Listen(ctx, address)
		if err != nil {
			return out, err
		}
		s.Serve(address, ln)
		out = append(out, s)
	}
	return out, nil
}
