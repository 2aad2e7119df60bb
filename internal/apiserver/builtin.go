package apiserver

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"

	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

//go:generate go test . -run TestBuiltin -update

// builtin is a list of CustomResourceDefinitions, as JSON in gzip, without descriptions: TestBuiltin writes it.
//
//go:embed builtin.json.gz
var builtin []byte

// Load is a server with the kinds of api/v1alpha1 and those of the Gateway API's experimental channel, in the version of go.mod: it has
// all that the standard channel has, and the fields of HTTPRoutes that kgateway's guides use beside them, such as retry.
func Load() (*Server, error) {
	r, err := gzip.NewReader(bytes.NewReader(builtin))
	if err != nil {
		return nil, fmt.Errorf("read the definitions: %w", err)
	}
	var definitions []*apiext.CustomResourceDefinition
	if err := json.NewDecoder(r).Decode(&definitions); err != nil {
		return nil, fmt.Errorf("read the definitions: %w", err)
	}
	s := &Server{kinds: map[string]func() (*kind, error){}}
	for _, d := range definitions {
		s.add(d)
	}
	return s, nil
}
