package translate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	mathrand "math/rand"
	"reflect"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/spanway/spanway/internal/translate"
)

// add puts an object in YAML into its list.
func add(in *translate.Input, doc []byte) error {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(doc, &kind); err != nil {
		return err
	}
	switch kind.Kind {
	case "":
		if len(bytes.TrimSpace(doc)) == 0 {
			return nil
		}
	case "GatewayClass":
		return appendTo(&in.Classes, doc)
	case "Gateway":
		return appendTo(&in.Gateways, doc)
	case "HTTPRoute":
		return appendTo(&in.HTTPRoutes, doc)
	case "ReferenceGrant":
		return appendTo(&in.Grants, doc)
	case "BackendTLSPolicy":
		return appendTo(&in.BackendTLS, doc)
	case "Namespace":
		return appendTo(&in.Namespaces, doc)
	case "Service":
		return appendTo(&in.Services, doc)
	case "EndpointSlice":
		return appendTo(&in.EndpointSlices, doc)
	case "Secret":
		return addSecret(in, doc)
	case "ConfigMap":
		return appendTo(&in.ConfigMaps, doc)
	case "GatewayParameters":
		return appendTo(&in.Parameters, doc)
	case "Backend":
		return appendTo(&in.Backends, doc)
	case "TrafficPolicy":
		return appendTo(&in.TrafficPolicies, doc)
	case "HTTPListenerPolicy":
		return appendTo(&in.HTTPListeners, doc)
	case "ListenerPolicy":
		return appendTo(&in.ListenerPolicies, doc)
	case "GatewayExtension":
		return appendTo(&in.Extensions, doc)
	case "DirectResponse":
		return appendTo(&in.DirectResponses, doc)
	}
	return fmt.Errorf("kind %q", kind.Kind)
}

func appendTo[T any](list *[]*T, doc []byte) error {
	v := new(T)
	if err := yaml.UnmarshalStrict(doc, v); err != nil {
		return err
	}
	*list = append(*list, v)
	return nil
}

// addSecret does with stringData as the API server does.
func addSecret(in *translate.Input, doc []byte) error {
	if err := appendTo(&in.Secrets, doc); err != nil {
		return err
	}
	s := in.Secrets[len(in.Secrets)-1]
	for key, value := range s.StringData {
		if s.Data == nil {
			s.Data = map[string][]byte{}
		}
		s.Data[key] = []byte(value)
	}
	s.StringData = nil
	return nil
}

// shuffled is in with the objects of each list in another order.
func shuffled(in *translate.Input, r *mathrand.Rand) *translate.Input {
	out := *in
	v := reflect.ValueOf(&out).Elem()
	for i := range v.NumField() {
		list := v.Field(i)
		if list.Kind() != reflect.Slice {
			continue
		}
		other := reflect.MakeSlice(list.Type(), list.Len(), list.Len())
		for from, to := range r.Perm(list.Len()) {
			other.Index(to).Set(list.Index(from))
		}
		list.Set(other)
	}
	return &out
}

// pair is a certificate with its key, in PEM.
type pair struct{ cert, key string }

// certificate is the nth of those that tests use.
func certificate(n int) pair {
	pairsOnce.Do(func() {
		for i := range pairs {
			pairs[i] = newPair(int64(i + 1))
		}
	})
	return pairs[n-1]
}

var (
	pairsOnce sync.Once
	pairs     [2]pair
)

func newPair(serial int64) pair {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "example.com"}, DNSNames: []string{"example.com"},
		NotAfter: time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		panic(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pair{cert: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))}
}

// twice reports whether two objects of a kind have one name, as no cluster has them.
func twice(in *translate.Input) bool {
	v := reflect.ValueOf(in).Elem()
	for i := range v.NumField() {
		if v.Field(i).Kind() != reflect.Slice {
			continue
		}
		seen := map[string]bool{}
		for k := range v.Field(i).Len() {
			o := v.Field(i).Index(k).Interface().(metav1.Object)
			name := o.GetNamespace() + "/" + o.GetName()
			if seen[name] {
				return true
			}
			seen[name] = true
		}
	}
	return false
}
