package provider

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/providers.md anew")

const docs = "../../docs/providers.md"

// urls says where the URLs of the other rows come from.
var urls = map[string]string{"vertexai": "by location", "bedrock": "by region", "demo": "built in"}

// TestDocs holds docs/providers.md to the table.
func TestDocs(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`# Providers

What ` + "`provider`" + ` of a [backend](configuration.md) may be. A client of any dialect listed is answered byte for byte; any other is
translated to the first; one without dialects gets calls as they are, which then are no calls of models. Where an endpoint serves some models only, or asks for a path of its own, the call decides which it is. This
page is written by ` + "`go test ./internal/provider -update`" + `.

| provider | name in telemetry | URL | dialects | credential |
|---|---|---|---|---|
`)
	for i := range table {
		p := &table[i]
		url := p.URL
		if url == "" {
			url = cmp.Or(urls[p.Name], "configured")
		}
		var dialects, headers []string
		for j := range p.Endpoints {
			e := &p.Endpoints[j]
			if !p.Plain {
				dialects = append(dialects, string(e.Outbound.Dialect()))
			}
			if h := "`" + strings.TrimSpace(e.Header+": "+e.Prefix) + "`"; !slices.Contains(headers, h) {
				headers = append(headers, h)
			}
			if v4 := "AWS Signature Version 4"; e.SigV4 != "" && !slices.Contains(headers, v4) {
				headers = append(headers, v4)
			}
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", p.Name, p.System, url, strings.Join(dialects, ", "), strings.Join(headers, ", "))
	}
	if *update {
		if err := os.WriteFile(docs, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, b.Bytes()) {
		t.Error("docs/providers.md is not what the table says: go test ./internal/provider -update")
	}
}
