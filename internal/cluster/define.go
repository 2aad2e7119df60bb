package cluster

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// definitions are the CustomResourceDefinitions of Spanway, from its chart, and of the Gateway API's standard channel, from its
// module in go.mod's version.
func definitions(ctx context.Context) ([]*apiext.CustomResourceDefinition, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/spanway/spanway", "sigs.k8s.io/gateway-api").Output()
	if err != nil {
		return nil, fmt.Errorf("find the modules: %w", err)
	}
	dirs := strings.Fields(string(out))
	if len(dirs) != 2 {
		return nil, fmt.Errorf("find the modules: got %q", out)
	}
	var all []*apiext.CustomResourceDefinition
	for _, dir := range []string{filepath.Join(dirs[0], "install", "helm", "spanway-crds", "templates"), filepath.Join(dirs[1], "config", "crd", "standard")} {
		names, err := fs.Glob(os.DirFS(dir), "*.yaml")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return nil, err
			}
			crd := &apiext.CustomResourceDefinition{}
			if err := yaml.Unmarshal(text, crd); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if crd.Kind == "CustomResourceDefinition" {
				all = append(all, crd)
			}
		}
	}
	return all, nil
}

// define creates the definitions and waits until all of their kinds are served.
func (c *Cluster) define() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all, err := definitions(ctx)
	if err != nil {
		return err
	}
	for _, crd := range all {
		if err := c.Client.Create(ctx, crd); err != nil {
			return fmt.Errorf("%s: %w", crd.Name, err)
		}
	}
	for _, crd := range all {
		if err := c.server.until(crd.Name, func(ctx context.Context) error { return c.established(ctx, crd.Name) }); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) established(ctx context.Context, name string) error {
	crd := &apiext.CustomResourceDefinition{}
	if err := c.Client.Get(ctx, client.ObjectKey{Name: name}, crd); err != nil {
		return err
	}
	for _, cond := range crd.Status.Conditions {
		switch {
		case cond.Type == apiext.NamesAccepted && cond.Status == apiext.ConditionFalse:
			return fmt.Errorf("%s: %s", name, cond.Message)
		case cond.Type == apiext.Established && cond.Status == apiext.ConditionTrue:
			return nil
		}
	}
	return fmt.Errorf("%s is not established yet", name)
}
