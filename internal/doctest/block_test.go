package doctest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/provider"
)

// block is a fenced block of a document.
type block struct {
	doc  string // path from the repository's root
	line int    // of the opening fence, from 1
	info string // what follows the fence: "sh", "yaml", "yaml fragment", …; "" = output
	text string
}

// guides are the documents whose blocks are tried.
func guides(t *testing.T) map[string][]block {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no documents", err)
	}
	out := map[string][]block{}
	for _, path := range append(paths, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = blocks(name, string(text))
	}
	return out
}

func blocks(doc, text string) []block {
	const fence = "```"
	var out []block
	var b *block
	for i, line := range strings.SplitAfter(text, "\n") {
		marker, opens := strings.CutPrefix(strings.TrimSuffix(line, "\n"), fence)
		switch {
		case opens && b == nil:
			b = &block{doc: doc, line: i + 1, info: marker}
		case opens:
			out = append(out, *b)
			b = nil
		case b != nil:
			b.text += line
		}
	}
	return out
}

// TestBlocksAreKnown keeps every block one that a test looks at.
func TestBlocksAreKnown(t *testing.T) {
	for _, doc := range guides(t) {
		for _, b := range doc {
			switch b.info {
			case "", "sh", "yaml":
			default:
				t.Errorf("%s:%d: a block of kind %q is not tested; use sh, yaml, or none for output", b.doc, b.line, b.info)
			}
		}
	}
}

// TestConfigurationsLoad loads every configuration that a document shows.
func TestConfigurationsLoad(t *testing.T) {
	found := 0
	cert, key := keyPair(t)
	files := func(name string) ([]byte, error) {
		switch filepath.Base(name) {
		case "cert.pem":
			return cert, nil
		case "key.pem":
			return key, nil
		}
		return os.ReadFile(name)
	}
	for _, doc := range guides(t) {
		for _, b := range doc {
			if b.info != "yaml" {
				continue
			}
			if strings.HasPrefix(b.text, "apiVersion:") {
				file := filepath.Join(t.TempDir(), "manifests.yaml")
				if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := output(at(root, programs.spanway, "validate", file)); err != nil {
					t.Errorf("%s:%d: %v", b.doc, b.line, err)
				}
				continue
			}
			found++
			_, err := ir.Load(b.doc, []byte(b.text), ir.LoadOptions{
				Getenv:    func(string) (string, bool) { return "value", true },
				ReadFile:  files,
				Providers: provider.Names(),
				Dir:       filepath.Join(root, "docs"),
			})
			if err != nil {
				t.Errorf("%s:%d: %v", b.doc, b.line, err)
			}
		}
	}
	if found < 3 {
		t.Errorf("%d configurations found, want those of README.md, getting-started.md and configuration.md", found)
	}
}

// keyPair is a certificate and its key, in PEM.
func keyPair(t *testing.T) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"gateway.example.com"}}
	c, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
