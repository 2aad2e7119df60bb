package doctest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// cluster does what of a command for a cluster can be done without one: files and charts that it names are there and are what they
// should be, and the program understands the manifests. internal/cluster has the rest.
func (r *reader) cluster(words []string) error {
	for strings.Contains(words[0], "=") {
		words = words[1:]
	}
	switch words[0] {
	case "helm":
		return r.helm(words[1:])
	case "spanway":
		return r.manifests(words[1:])
	}
	r.forwarded = r.forwarded || words[1] == "port-forward"
	for i, w := range words[:len(words)-1] {
		if w != "-f" && w != "-k" || strings.HasPrefix(words[i+1], "https://") {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, words[i+1])); err != nil {
			return err
		}
		if w == "-f" {
			if err := output(at(root, programs.spanway, "validate", words[i+1])); err != nil {
				return err
			}
		}
	}
	return nil
}

// helm renders what a command installs.
func (r *reader) helm(args []string) error {
	if args[0] == "upgrade" {
		args = append([]string{"template"}, slices.DeleteFunc(args[1:], func(a string) bool { return a == "-i" || a == "--create-namespace" })...)
	}
	return output(at(root, ".tools/bin/helm", args...))
}

// manifests has the program read a folder. What would serve it is only shown: ports are those that the folder says.
func (r *reader) manifests(args []string) error {
	cmd := at(root, programs.spanway, args...)
	if args[0] == "run" {
		i := slices.Index(args, "--manifests")
		if i < 0 {
			return fmt.Errorf("%v: without --manifests it is bin/spanway", args)
		}
		cmd = at(root, programs.spanway, "translate", args[i+1], "--to", "ir")
	}
	cmd.Env = append(os.Environ(), "OPENAI_API_KEY=sk-example")
	return output(cmd)
}
