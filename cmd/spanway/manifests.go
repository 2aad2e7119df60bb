package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spanway/spanway/internal/gateway"
	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/manifest"
)

// manifestFlags choose a Gateway of manifests.
type manifestFlags struct {
	manifests, gateway, admin string
}

func (f *manifestFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.manifests, "manifests", "", "folder, or file, of Kubernetes manifests, in place of --config")
	fl.StringVar(&f.admin, "admin", defaultAdmin, "with --manifests, address for operators (/healthz, /readyz, /metrics); off is none")
	_ = cmd.MarkFlagDirname("manifests") // only for completion
	registerGateway(cmd, &f.gateway, func([]string) []string { return []string{f.manifests} })
	cmd.MarkFlagsMutuallyExclusive("manifests", "config")
}

// defaultAdmin is where operators are answered, as with native files.
const defaultAdmin = "127.0.0.1:9090"

// check refuses flags that have no effect.
func (f *manifestFlags) check(cmd *cobra.Command) error {
	for _, name := range []string{"gateway", "admin"} {
		if f.manifests == "" && cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s needs --manifests", name)
		}
	}
	return nil
}

// registerGateway adds --gateway, which is completed with the Gateways in the paths that are given.
func registerGateway(cmd *cobra.Command, gateway *string, paths func(args []string) []string) {
	cmd.Flags().StringVar(gateway, "gateway", "", "NAMESPACE/NAME of the Gateway; default: the only one of the manifests")
	_ = cmd.RegisterFlagCompletionFunc("gateway", func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var names []string
		if set, err := manifest.Load(paths(args), manifest.Options{}); err == nil {
			gateways, _ := set.Translate()
			for i := range gateways {
				names = append(names, gateways[i].Name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
}

// manifests is a source of configurations in files of Kubernetes objects.
type manifests struct {
	path, gateway string
	admin         string    // "" or off = none
	said          io.Writer // what authors should know
	files         []string  // that were read, and folders, to watch
}

// refused are manifests with errors: they are not used.
type refused []manifest.Problem

func (r refused) Error() string {
	var b strings.Builder
	for _, p := range r {
		fmt.Fprintln(&b, p)
	}
	fmt.Fprintf(&b, "%d errors", manifest.Errors(r))
	return b.String()
}

// load reads and translates the files. What an API server would refuse is an error. What is translated to errors is told, and the
// rest is served, as it is in a cluster.
func (m *manifests) load() (*ir.Gateway, error) {
	set, err := manifest.Load([]string{m.path}, manifest.Options{})
	if err != nil {
		return nil, fmt.Errorf("manifests: %w", err)
	}
	m.files = slices.Clone(set.Files)
	for _, folder := range set.Folders {
		m.files = append(m.files, filepath.Join(folder, anyManifest))
	}
	if manifest.Errors(set.Problems) > 0 {
		return nil, refused(set.Problems)
	}
	gateways, problems := set.Translate()
	g, err := manifest.Pick(gateways, m.gateway)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.path, err)
	}
	for _, p := range problems {
		_, _ = fmt.Fprintln(m.said, p)
	}
	out := *g.IR
	if m.admin != "off" {
		out.Admin = m.admin
	}
	return &out, nil
}

// isManifest reports whether path is a folder, or a file of Kubernetes objects: other than native files they have kinds.
func isManifest(path string) bool {
	info, err := os.Stat(path)
	if err != nil || path == "-" {
		return false
	}
	if info.IsDir() {
		return true
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, 1<<20))
	return err == nil && kindLine.Match(head)
}

var kindLine = regexp.MustCompile(`(?m)^\s*"?(apiVersion|kind)"?\s*:`)

// validateManifests prints all problems of the objects in paths, and says how many Gateways there are. Only errors fail, or all that
// there is to say.
func validateManifests(cmd *cobra.Command, paths []string, strict bool) error {
	set, err := manifest.Load(paths, manifest.Options{})
	if err != nil {
		return err
	}
	gateways, problems := set.Translate()
	for i := range gateways {
		g := &gateways[i]
		if g.IR == nil {
			continue
		}
		if _, err := gateway.Compile(g.IR, &gateway.Env{DemoURL: "http://127.0.0.1"}); err != nil {
			problems = append(problems, set.At(g, err.Error()))
		}
	}
	for _, p := range problems {
		fmt.Fprintln(cmd.ErrOrStderr(), p)
	}
	what := fmt.Sprintf("%s: %s, %s", strings.Join(paths, ", "), count(len(set.Files), "file"), count(len(gateways), "Gateway"))
	if n := manifest.Errors(problems); n > 0 {
		return fmt.Errorf("%s, %s", what, count(n, "error"))
	}
	if strict && len(problems) > 0 {
		return fmt.Errorf("%s, %s, and --strict", what, count(len(problems), "problem"))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", what)
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// printGateways prints the configurations of the Gateways in path, of one alone if it is named.
func printGateways(cmd *cobra.Command, path, name string) error {
	gateways, err := translated(cmd, path)
	if err != nil {
		return err
	}
	if name != "" || len(gateways) < 2 {
		g, err := manifest.Pick(gateways, name)
		if err != nil {
			return err
		}
		gateways = []manifest.Gateway{*g}
	}
	var b bytes.Buffer
	for i := range gateways {
		if i > 0 {
			b.WriteString("---\n")
		}
		fmt.Fprintf(&b, "# Gateway %s of %s\n", gateways[i].Name, path)
		if gateways[i].IR == nil {
			fmt.Fprintf(&b, "# is not accepted: %s\n", gateways[i].Refused)
			continue
		}
		text, err := ir.Print(gateways[i].IR)
		if err != nil {
			return err
		}
		b.Write(text)
	}
	_, err = cmd.OutOrStdout().Write(b.Bytes())
	return err
}

// translated are the Gateways in path. Problems are printed; what an API server would refuse is an error.
func translated(cmd *cobra.Command, path string) ([]manifest.Gateway, error) {
	set, err := manifest.Load([]string{path}, manifest.Options{})
	if err != nil {
		return nil, err
	}
	if manifest.Errors(set.Problems) > 0 {
		return nil, refused(set.Problems)
	}
	gateways, problems := set.Translate()
	for _, p := range problems {
		fmt.Fprintln(cmd.ErrOrStderr(), p)
	}
	if len(gateways) == 0 {
		_, err = manifest.Pick(nil, "")
		return nil, err
	}
	return gateways, nil
}
