package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spanway/spanway/internal/envoy"
	"github.com/spanway/spanway/internal/envoyplane"
)

// envoyFlags are about the Envoy that --data-plane=envoy runs.
type envoyFlags struct {
	path        string
	concurrency int
	level       string
}

// envoyLevels are Envoy's own, except trace, which would print credentials.
var envoyLevels = []string{"debug", "info", "warning", "error", "critical", "off"}

func (f *envoyFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.path, "envoy", "", "path of the Envoy to run; default: ENVOY, beside this program, or on the PATH")
	fl.IntVar(&f.concurrency, "envoy-concurrency", 0, "Envoy's worker threads; default: one for each of the machine's")
	fl.StringVar(&f.level, "envoy-log-level", "warning", strings.Join(envoyLevels[:len(envoyLevels)-1], ", ")+" or off")
	_ = cmd.MarkFlagFilename("envoy") // only for completion
	_ = cmd.RegisterFlagCompletionFunc("envoy-log-level", cobra.FixedCompletions(envoyLevels, cobra.ShellCompDirectiveNoFileComp))
}

// check refuses values that cannot be, and flags of Envoy's that would have no effect.
func (f *runFlags) check(cmd *cobra.Command) error {
	switch f.dataPlane {
	case envoyPlane:
	case nativePlane:
		for _, name := range []string{"envoy", "envoy-concurrency", "envoy-log-level"} {
			if cmd.Flags().Changed(name) {
				return fmt.Errorf("--%s needs --data-plane=envoy", name)
			}
		}
	default:
		return fmt.Errorf("--data-plane %q: want native or envoy", f.dataPlane)
	}
	if !slices.Contains(envoyLevels, f.envoy.level) {
		return fmt.Errorf("--envoy-log-level %q: want %s", f.envoy.level, strings.Join(envoyLevels, ", "))
	}
	if f.envoy.concurrency < 0 {
		return fmt.Errorf("--envoy-concurrency %d: want 0 or more", f.envoy.concurrency)
	}
	return nil
}

// useEnvoy makes an Envoy the plane.
func (r *runner) useEnvoy(ctx context.Context, f *envoyFlags) error {
	binary, err := envoy.Find(ctx, f.path)
	if err != nil {
		return err
	}
	plane := envoyplane.New(envoyplane.Options{Log: r.log, Envoy: binary, LogLevel: f.level, Concurrency: f.concurrency, Stdout: os.Stdout,
		DemoURL: r.env.DemoURL})
	r.plane = plane
	r.about = func() []fact {
		return []fact{{"envoy", fmt.Sprintf("%s, process %d", binary.Version, plane.Child().PID())}}
	}
	return nil
}
