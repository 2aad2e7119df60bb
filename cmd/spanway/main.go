// Command spanway is an AI gateway that writes the truth about every LLM call as OpenTelemetry traces.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/spanway/spanway/internal/ir"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := root().ExecuteContext(ctx); err != nil {
		var problems ir.Problems
		var objects refused
		if errors.As(err, &problems) {
			fmt.Fprintln(os.Stderr, problems.Error())
		} else if errors.As(err, &objects) {
			fmt.Fprintln(os.Stderr, objects.Error())
		} else {
			fmt.Fprintln(os.Stderr, "spanway:", err)
		}
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "spanway",
		Short: "An AI gateway that tells the truth about every LLM call",
		Long: `Spanway stands between your applications and LLM providers. Every call that goes through it becomes one complete
OpenTelemetry trace: which route, which guardrail, which attempt, which provider, how long until the first token,
how many tokens.

  spanway run                       needs no configuration: it prints a curl to try
  spanway run --trace               shows the span tree of every call on the terminal
  spanway run --config spanway.yaml serves your own routes and backends
  spanway run --manifests FOLDER    serves a Gateway of Kubernetes manifests, without a cluster
  spanway validate spanway.yaml     names every problem with file, line and field, of manifests, too

The exit code is 0, or 1 after an error, which is on standard error.`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %q", err, c.CommandPath()+" --help")
	})
	cmd.AddCommand(runCommand(), validateCommand(), extprocCommand(), controllerCommand(), translateCommand(), schemaCommand(), versionCommand())
	return cmd
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "spanway", version())
			return err
		},
	}
}

// version is what the build recorded of the module, the commit where there is one.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			v += " " + s.Value[:12]
		}
	}
	return v
}

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		Long: `Prints the JSON Schema of the configuration file. Editors with a YAML language server complete and check a file
that begins with

  # yaml-language-server: $schema=./spanway.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(ir.Schema())
			return err
		},
	}
}
