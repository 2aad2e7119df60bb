package provider

import (
	"fmt"
	"net/url"

	"github.com/spanway/spanway/internal/ir"
)

// Address is where b answers: scheme, host, port unless it is the scheme's own, and the path of a configured URL. What the
// configuration leaves out is the provider's own. demoURL is where the built-in demo provider answers.
func Address(b *ir.Backend, demoURL string) (*url.URL, error) {
	p, ok := Lookup(b.Provider)
	if !ok {
		return nil, fmt.Errorf("unknown provider %q", b.Provider)
	}
	raw := b.URL
	switch {
	case raw != "":
	case b.Demo:
		raw = demoURL
	case p.URL != "":
		raw = p.URL
	case b.Provider == "vertexai":
		raw = vertexHost(b.Location)
	case b.Provider == "bedrock":
		raw = "https://bedrock-runtime." + b.Region + ".amazonaws.com"
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("url %q: want http(s)://host[:port][/path]", raw)
	}
	return u, nil
}

func vertexHost(location string) string {
	if location == "" || location == "global" {
		return "https://aiplatform.googleapis.com"
	}
	return "https://" + location + "-aiplatform.googleapis.com"
}
