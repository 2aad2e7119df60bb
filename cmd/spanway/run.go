package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/spanway/spanway/internal/proxy"
)

// The data planes.
const (
	nativePlane = "native"
	envoyPlane  = "envoy"
)

type runFlags struct {
	commonFlags

	objects   manifestFlags
	dataPlane string
	envoy     envoyFlags
}

func runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the gateway in this process",
		Long: `Runs the gateway: a native proxy that needs nothing else. Without --config it listens on 127.0.0.1:8080 with a demo
provider under /demo that needs no key and no network, and with /openai, /anthropic, /gemini and /ollama. Keys come from
OPENAI_API_KEY, ANTHROPIC_API_KEY and GEMINI_API_KEY; where one is not set, the caller's own credential passes through.

Each call prints one line; --trace prints its span tree with timings under it. Traces go to the OTLP endpoints of the
configuration, or of the standard OTEL_EXPORTER_OTLP_* environment variables.

With --data-plane=envoy an Envoy of version 1.40 or later carries the traffic, as a child of this process, which decides
about every call. It is the one of --envoy, else of the environment variable ENVOY, else beside this program or on the
PATH. When it dies it is started again.

With --manifests the configuration is a folder of Kubernetes manifests, as "spanway validate FOLDER" checks them. The process is
one Gateway of them, listening on its ports on all addresses. Services without EndpointSlices are reached by their names.

The configuration is read again when its file changes and on SIGHUP. A file with problems is refused: they are printed
and the old configuration goes on. SIGTERM and SIGINT drain: nothing new is accepted, running streams finish within
shutdown.drain, recorded traces are flushed. A second signal ends the process at once.`,
		Example: `  spanway run --trace
  spanway run --config spanway.yaml
  spanway run --manifests manifests/ --gateway infra/ai-gateway
  spanway run --data-plane=envoy --config spanway.yaml
  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 spanway run`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("run takes no argument; for a configuration file: spanway run --config %s", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd, &f) },
	}
	f.commonFlags.register(cmd)
	f.objects.register(cmd)
	cmd.Flags().StringVar(&f.dataPlane, "data-plane", nativePlane, "what carries the traffic: native or envoy")
	_ = cmd.RegisterFlagCompletionFunc("data-plane", cobra.FixedCompletions([]string{nativePlane, envoyPlane}, cobra.ShellCompDirectiveNoFileComp))
	f.envoy.register(cmd)
	return cmd
}

func run(cmd *cobra.Command, f *runFlags) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	if err := f.objects.check(cmd); err != nil {
		return err
	}
	r, err := newRunner(cmd, &f.commonFlags)
	if err != nil {
		return err
	}
	if f.objects.manifests != "" {
		r.source = newManifestSource(&f.objects, cmd.ErrOrStderr())
	}
	if err := r.startDemo(cmd.Context(), "127.0.0.1:0"); err != nil {
		return err
	}
	defer r.stopDemo()
	if f.dataPlane == envoyPlane {
		if err := r.useEnvoy(cmd.Context(), &f.envoy); err != nil {
			return err
		}
	} else {
		r.plane = proxy.New(r.log)
	}
	return r.run(cmd.Context())
}

// commonFlags are those of every command that carries calls.
type commonFlags struct {
	config string
	trace  bool
	quiet  bool
	level  string
}

func (f *commonFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVarP(&f.config, "config", "c", "", "native configuration file; - reads standard input; default: built in")
	fl.BoolVar(&f.trace, "trace", false, "print the span tree of every call")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "print nothing per call")
	fl.StringVar(&f.level, "log-level", "info", "debug, info, warn or error")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // only for completion
	_ = cmd.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions([]string{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp))
}
