package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/xds"
)

// Where an Envoy that runs elsewhere finds what it needs: "spanway extproc" listens there unless told otherwise.
const (
	defaultProcessor = "unix:spanway.sock"
	defaultDemo      = "127.0.0.1:9091"
)

type translateFlags struct {
	config, to, processor, demo, admin string
}

func translateCommand() *cobra.Command {
	var f translateFlags
	cmd := &cobra.Command{
		Use:   "translate --to envoy",
		Short: "Print a configuration as Envoy reads it",
		Long: `Prints a native configuration as a whole bootstrap of Envoy 1.40 or later: listeners, routes, clusters, and the two filters with
which Envoy asks a processor about every call. Run "spanway extproc" with the same configuration as that processor; calls fail
with status 503 while it is away. What is printed holds no key: providers' credentials come from the processor.

Without --config it is the built-in configuration. Files that the configuration names, such as certificates, are read by Envoy.`,
		Example: `  spanway translate --to envoy --config spanway.yaml > envoy.yaml
  spanway extproc --config spanway.yaml &
  envoy -c envoy.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return translate(cmd, &f) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.config, "config", "c", "", "native configuration file; - reads standard input; default: built in")
	fl.StringVar(&f.to, "to", "", "what to print: envoy")
	fl.StringVar(&f.processor, "processor", defaultProcessor, "where the processor listens: unix:PATH or HOST:PORT")
	fl.StringVar(&f.demo, "demo", defaultDemo, "where the processor serves the built-in demo provider")
	fl.StringVar(&f.admin, "envoy-admin", "", "address of Envoy's own administration interface; default: none")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // only for completion
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]string{"envoy"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func translate(cmd *cobra.Command, f *translateFlags) error {
	if f.to != "envoy" {
		if f.to == "" {
			return errors.New("translate: to what? --to envoy")
		}
		return fmt.Errorf("--to %q: want envoy", f.to)
	}
	s, err := newSource(f.config, cmd.InOrStdin())
	if err != nil {
		return err
	}
	demo := "http://" + f.demo
	g, _, err := s.load(&gateway.Env{DemoURL: demo})
	if err != nil {
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
