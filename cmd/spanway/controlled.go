package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spanway/spanway/internal/control"
	"github.com/spanway/spanway/internal/envoy"
	"github.com/spanway/spanway/internal/envoyplane"
	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
)

// controlFlags are about the controller that a sidecar gets its configuration from.
type controlFlags struct {
	address, name, ca, token, gateway, pod string
}

func (f *controlFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.address, "control-plane", "", "HOST:PORT of a controller that sends the configuration, in place of --config")
	fl.StringVar(&f.name, "control-name", "", "name that the controller's certificate must have; default: the host of --control-plane")
	fl.StringVar(&f.ca, "control-ca", "", "PEM file of the authority that the controller's certificate is verified by")
	fl.StringVar(&f.token, "control-token", "", "file of the token that is shown to the controller, read again for each connection")
	fl.StringVar(&f.gateway, "gateway", "", "NAMESPACE/NAME of the Gateway whose configuration is asked for")
	fl.StringVar(&f.pod, "pod", "", "name of the pod, which its Envoy has too; default: POD_NAME of the environment, else the host's name")
	for _, file := range []string{"control-ca", "control-token"} {
		_ = cmd.MarkFlagFilename(file) // only for completion
	}
	cmd.MarkFlagsRequiredTogether("control-plane", "control-ca", "control-token", "gateway")
	cmd.MarkFlagsMutuallyExclusive("control-plane", "config")
}

// client is what asks the controller.
func (f *controlFlags) client(r *runner) (*control.Client, error) {
	if namespace, name, ok := strings.Cut(f.gateway, "/"); !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return nil, fmt.Errorf("--gateway %q: want NAMESPACE/NAME", f.gateway)
	}
	pod := f.pod
	if pod == "" {
		pod = os.Getenv("POD_NAME")
	}
	if pod == "" {
		var err error
		if pod, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("%w; give --pod", err)
		}
	}
	return &control.Client{Address: f.address, ServerName: f.name, CAFile: f.ca, TokenFile: f.token, Gateway: f.gateway, Pod: pod, Log: r.log}, nil
}

// runControlled serves what c is sent until ctx is over, then drains. beside is the Envoy that asks p; nil = it is not known.
func (r *runner) runControlled(ctx context.Context, p *envoyplane.Processor, c *control.Client, beside *envoy.Admin) error {
	if err := p.Open(ctx); err != nil {
		return err
	}
	p.Alone = c.Quiet
	r.source = &source{name: c.Gateway + " of " + c.Address}
	r.log.Info("waiting for the configuration", "gateway", c.Gateway, "address", c.Address)
	if err := c.Watch(ctx, func(ctx context.Context, g *ir.Gateway) error { return r.take(ctx, g, beside) }); err != nil {
		return err
	}
	return r.end()
}

// take puts a configuration in place that Envoy has taken already: its clusters are in use before the first call is sent there.
func (r *runner) take(ctx context.Context, g *ir.Gateway, beside *envoy.Admin) error {
	compiled, err := gateway.Compile(g, &r.env)
	if err != nil {
		return err
	}
	first := r.conf == nil
	if beside != nil && !first {
		if err := beside.Warm(ctx); err != nil {
			r.log.Warn("Envoy does not say whether it uses its clusters", "error", err)
		}
	}
	if err := r.use(ctx, g, compiled); err != nil {
		return err
	}
	if first {
		r.banner()
	} else {
		r.log.Info("configuration loaded", "source", r.source.name)
	}
	return nil
}
