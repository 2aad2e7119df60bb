package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/provider"
	"github.com/spanway/spanway/internal/telemetry"
)

// builtin names the configuration that is used without a file.
const builtin = "(built-in)"

// source is where the configuration comes from.
type source struct {
	name string // for messages
	path string // "" = built in, or standard input, whose text is kept
	text []byte
}

func newSource(file string, stdin io.Reader) (*source, error) {
	switch file {
	case "":
		return &source{name: builtin, text: ir.Default()}, nil
	case "-":
		text, err := io.ReadAll(stdin)
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return &source{name: "(stdin)", text: text}, nil
	}
	return &source{name: file, path: file}, nil
}

// load reads and compiles the configuration. Its problems come all at once, as ir.Problems.
func (s *source) load(env *gateway.Env) (*ir.Gateway, *gateway.Snapshot, error) {
	text, dir := s.text, ""
	if s.path != "" {
		var err error
		if text, err = os.ReadFile(s.path); err != nil {
			return nil, nil, fmt.Errorf("configuration: %w", err)
		}
		dir = filepath.Dir(s.path)
	}
	g, err := ir.Load(s.name, text, ir.LoadOptions{Getenv: os.LookupEnv, ReadFile: os.ReadFile, Providers: provider.Names(),
		CheckMatch: telemetry.CheckMatch, Dir: dir})
	if err != nil {
		return nil, nil, err
	}
	snapshot, err := gateway.Compile(g, env)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return g, snapshot, nil
}

func validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check configuration files and name every problem",
		Long: `Checks native configuration files and prints every problem at once, one a line: file, line, column, field, what was
found, what is allowed. "-" reads standard input. The exit code is 0 only when every file is good.`,
		Example: "  spanway validate spanway.yaml\n  generate-config | spanway validate -",
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return errors.New("validate: which file? \"-\" reads standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			bad := 0
			for _, f := range files {
				s, err := newSource(f, cmd.InOrStdin())
				if err == nil {
					_, _, err = s.load(&gateway.Env{DemoURL: "http://127.0.0.1"})
				}
				if err != nil {
					bad++
					fmt.Fprintln(cmd.ErrOrStderr(), err)
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", s.name)
			}
			if bad > 0 {
				return fmt.Errorf("%d of %d files have problems", bad, len(files))
			}
			return nil
		},
	}
}
