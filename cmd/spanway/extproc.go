package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/spanway/spanway/internal/envoy"
	"github.com/spanway/spanway/internal/envoyplane"
	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/telemetry"
)

type extprocFlags struct {
	commonFlags

	control              controlFlags
	listen, demo, admin  string
	envoyAdmin, drainKey string
}

func extprocCommand() *cobra.Command {
	var f extprocFlags
	cmd := &cobra.Command{
		Use:   "extproc",
		Short: "Decide about the calls of an Envoy that runs elsewhere",
		Long: `Runs the processor that an Envoy asks about every call, by its ext_proc protocol, with a bootstrap that
"spanway translate --to envoy" printed of the same configuration. Envoy carries the bytes; routes, guards, credentials,
translations, retries and traces are the processor's. While it is away calls fail with status 503; the first call after it
is back works.

Whoever can talk to the processor can have the providers' credentials. A Unix socket is for the user that runs it, who must
be Envoy's user too. A HOST:PORT is not protected: keep it on the loopback interface or in a network of its own.

The configuration is read again when its file changes and on SIGHUP, for everything but listeners and backends' addresses:
those are Envoy's to be told again. With --control-plane it is a sidecar in a cluster: a controller sends the configuration of
its Gateway, again whenever it changes, and tells Envoy itself. It is not ready before the first, and goes on with the last one
while the controller is away. SIGTERM and SIGINT drain: new calls are refused, running ones finish within
shutdown.drain, recorded traces are flushed. Take Envoy out of rotation first.`,
		Example: `  spanway extproc --config spanway.yaml
  spanway extproc --config spanway.yaml --listen 127.0.0.1:9092 --admin 127.0.0.1:9093
  spanway extproc --control-plane spanway.spanway-system.svc:9977 --control-ca /etc/envoy/ca.crt \
    --control-token /var/run/secrets/spanway/token --gateway default/ai --admin 0.0.0.0:9092`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runExtproc(cmd, &f) },
	}
	f.commonFlags.register(cmd)
	f.control.register(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", defaultProcessor, "where to listen for Envoy: unix:PATH or HOST:PORT")
	fl.StringVar(&f.demo, "demo", defaultDemo, "where to serve the built-in demo provider, for a configuration that has it")
	fl.StringVar(&f.admin, "admin", "", "address of health and metrics in place of the configuration's; off: none")
	fl.StringVar(&f.envoyAdmin, "envoy-admin", "", "Envoy's administration interface, unix:PATH or HOST:PORT, by which --drain-key drains it")
	fl.StringVar(&f.drainKey, "drain-key", "", "drain Envoy on GET /drain/KEY?after=DURATION of the admin address and answer when its calls have ended, "+
		"for the end of a pod")
	cmd.MarkFlagsRequiredTogether("envoy-admin", "drain-key")
	return cmd
}

func runExtproc(cmd *cobra.Command, f *extprocFlags) error {
	r, err := newRunner(cmd, &f.commonFlags)
	if err != nil {
		return err
	}
	r.env.DemoURL = "http://" + f.demo
	defer r.stopDemo()
	p := envoyplane.NewProcessor(r.log, f.listen, f.admin)
	var beside *envoy.Admin
	if f.drainKey != "" {
		beside = envoy.NewAdmin(f.envoyAdmin)
		p.DrainWith(beside, f.drainKey)
	}
	r.plane = &processorPlane{Processor: p, runner: r, demo: f.demo}
	r.about = func() []fact { return []fact{{"extproc", p.Address()}} }
	if f.control.address != "" {
		c, err := f.control.client(r)
		if err != nil {
			return err
		}
		return r.runControlled(cmd.Context(), p, c, beside)
	}
	return r.run(cmd.Context())
}

// processorPlane is a processor with the built-in demo provider, from the first configuration on that has it.
type processorPlane struct {
	*envoyplane.Processor

	runner *runner
	demo   string
}

// Apply implements plane.
func (p *processorPlane) Apply(ctx context.Context, g *ir.Gateway, compiled *gateway.Snapshot, t *telemetry.Pipeline) error {
	if p.runner.demo.server == nil && usesDemo(g) {
		if err := p.runner.startDemo(ctx, p.demo); err != nil {
			return fmt.Errorf("%w; give another --demo, here and to \"spanway translate\"", err)
		}
	}
	return p.Processor.Apply(ctx, g, compiled, t)
}
