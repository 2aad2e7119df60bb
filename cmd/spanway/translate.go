package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/xds"
)

// Where an Envoy that runs elsewhere finds what it needs: "spanway extproc" listens there unless told otherwise.
const (
	defaultProcessor = "unix:spanway.sock"
	defaultDemo      = "127.0.0.1:9091"
)

type translateFlags struct {
	config, to, processor, demo, admin, gateway string
}

func translateCommand() *cobra.Command {
	var f translateFlags
	cmd := &cobra.Command{
		Use:   "translate [MANIFESTS] [--to ir|envoy]",
		Short: "Print what a configuration, or Kubernetes manifests, become",
		Long: `Prints a native configuration as a whole bootstrap of Envoy 1.40 or later: listeners, routes, clusters, and the two filters with
which Envoy asks a processor about every call. Run "spanway extproc" with the same configuration as that processor; calls fail
with status 503 while it is away. What is printed holds no key: providers' credentials come from the processor.

MANIFESTS is a folder, or a file, of Kubernetes objects. Each Gateway of them becomes a configuration: --to ir, the default then,
prints it with all defaults, secrets redacted. --to envoy needs --gateway where there are several. Problems are on standard error.

Without --config it is the built-in configuration. Files that the configuration names, such as certificates, are read by Envoy.`,
		Example: `  spanway translate --to envoy --config spanway.yaml > envoy.yaml
  spanway translate manifests/
  spanway translate manifests/ --to envoy --gateway infra/ai-gateway
  spanway extproc --config spanway.yaml &
  envoy -c envoy.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return fmt.Errorf("translate takes one folder or file, not %d", len(args))
			case len(args) == 1 && !isManifest(args[0]):
				if _, err := os.Stat(args[0]); err != nil {
					return fmt.Errorf("translate: %w", err)
				}
				return fmt.Errorf("%s has no Kubernetes objects; for a native configuration: spanway translate --config %s", args[0], args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return translate(cmd, &f, args) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.config, "config", "c", "", "native configuration file; - reads standard input; default: built in")
	fl.StringVar(&f.to, "to", "", "what to print: ir or envoy")
	fl.StringVar(&f.processor, "processor", defaultProcessor, "where the processor listens: unix:PATH or HOST:PORT")
	fl.StringVar(&f.demo, "demo", defaultDemo, "where the processor serves the built-in demo provider")
	fl.StringVar(&f.admin, "envoy-admin", "", "address of Envoy's own administration interface; default: none")
	registerGateway(cmd, &f.gateway, func(args []string) []string { return args })
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // only for completion
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]string{toIR, toEnvoy}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// What translate prints.
const (
	toIR    = "ir"
	toEnvoy = "envoy"
)

func translate(cmd *cobra.Command, f *translateFlags, args []string) error {
	if f.to == "" && len(args) > 0 {
		f.to = toIR
	}
	switch {
	case f.config != "" && len(args) > 0:
		return errors.New("translate: --config or manifests, not both")
	case f.to == "":
		return errors.New("translate: to what? --to ir or --to envoy")
	case f.to != toIR && f.to != toEnvoy:
		return fmt.Errorf("--to %q: want ir or envoy", f.to)
	case f.gateway != "" && len(args) == 0:
		return errors.New("--gateway chooses one of the Gateways of manifests: spanway translate FOLDER --gateway " + f.gateway)
	}
	if f.to == toIR && len(args) > 0 {
		return printGateways(cmd, args[0], f.gateway)
	}
	s, err := newSource(f.config, cmd.InOrStdin())
	if err != nil {
		return err
	}
	if len(args) > 0 {
		s = newManifestSource(&manifestFlags{manifests: args[0], gateway: f.gateway}, cmd.ErrOrStderr())
	}
	demo := "http://" + f.demo
	g, _, err := s.load(&gateway.Env{DemoURL: demo})
	if err != nil {
		return err
	}
	if f.to == toIR {
		text, err := ir.Print(g)
		if err == nil {
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "# %s\n%s", s.name, text)
		}
		return err
	}
	r, err := xds.Build(g, xds.Options{Processor: f.processor, DemoURL: demo, Roots: xds.SystemRoots()})
	if err != nil {
		return err
	}
	b, err := xds.Static(r, xds.Boot{Admin: f.admin, Connections: g.Limits.Connections})
	if err != nil {
		return err
	}
	text, err := xds.YAML(b)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "# %s for Envoy. Its processor: spanway extproc --listen %s\n%s", s.name, f.processor, text)
	return err
}
