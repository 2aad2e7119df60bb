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

	manifests *manifests // in place of all that, but the name; nil = a native configuration
}

// newManifestSource is a source of manifests, whose problems are told to said.
func newManifestSource(f *manifestFlags, said io.Writer) *source {
	return &source{name: f.manifests, manifests: &manifests{path: f.manifests, gateway: f.gateway, admin: f.admin, said: said}}
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
	g, err := s.read()
	if err != nil {
		return nil, nil, err
	}
	snapshot, err := gateway.Compile(g, env)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return g, snapshot, nil
}

// read reads the configuration.
func (s *source) read() (*ir.Gateway, error) {
	if s.manifests != nil {
		return s.manifests.load()
	}
	text, dir := s.text, ""
	if s.path != "" {
		var err error
		if text, err = os.ReadFile(s.path); err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		dir = filepath.Dir(s.path)
	}
	return ir.Load(s.name, text, ir.LoadOptions{Getenv: os.LookupEnv, ReadFile: os.ReadFile, Providers: provider.Names(),
		CheckMatch: telemetry.CheckMatch, Dir: dir})
}

func validateCommand() *cobra.Command {
	strict := false
	cmd := &cobra.Command{
		Use:   "validate FILE|FOLDER...",
		Short: "Check configuration files and Kubernetes manifests, and name every problem",
		Long: `Checks native configuration files and prints every problem at once, one a line: file, line, column, field, what was
found, what is allowed. "-" reads standard input.

Folders, and files of objects with apiVersion and kind, are Kubernetes manifests: those of the Gateway API, of kgateway's API in
the shapes of its releases before 2.1 and from 2.1 on, Services, Secrets and ConfigMaps. All that are given are checked together,
without a cluster, by the rules of the CustomResourceDefinitions and by what they would become. What is accepted and has no effect
is told as "unsupported", what is odd as "warning": so is a reference to an object that is not among the files. ${NAME} in Secrets and inline tokens is a variable of the environment.

The exit code is 0 only when nothing has an error; with --strict, when there is nothing to say.`,
		Example: "  spanway validate spanway.yaml\n  spanway validate manifests/\n  generate-config | spanway validate -",
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return errors.New("validate: which file or folder? \"-\" reads standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			bad := 0
			var objects []string
			for _, f := range files {
				if isManifest(f) {
					objects = append(objects, f)
					continue
				}
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
			var err error
			if len(objects) > 0 {
				err = validateManifests(cmd, objects, strict)
			}
			if bad > 0 {
				err = errors.Join(err, fmt.Errorf("%d of %d files have problems", bad, len(files)-len(objects)))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "fail for warnings, and for what is unsupported, too")
	return cmd
}
