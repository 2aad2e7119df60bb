package apiserver

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/spanway/spanway/api/v1alpha1"
)

// TestGuide creates the objects of the guide that readers follow, and those that lie beside the repository if there are any.
func TestGuide(t *testing.T) {
	s := server(t)
	files, err := filepath.Glob("../../../shared/reference/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range append(files, "testdata/guide.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range bytes.Split(text, []byte("\n---\n")) {
			o, err := s.Create(t.Context(), doc)
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			seen++
			name := file + " " + (&unstructured.Unstructured{Object: o.Content}).GetKind()
			for _, e := range o.Errors {
				t.Errorf("%s: %v", name, e)
			}
			for _, u := range o.Unknown {
				t.Errorf("%s: unknown field %s", name, u)
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d objects", seen)
	}
}

// TestTypes reads every accepted object of testdata into the Go types and writes it again: what the schema takes, the types
// have, under the same names.
func TestTypes(t *testing.T) {
	s := server(t)
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for file, kind := range kinds {
		for _, d := range documents(t, file) {
			if len(d.errors) > 0 {
				continue
			}
			t.Run(kind+"/"+d.name, func(t *testing.T) {
				o, err := s.Create(t.Context(), d.text)
				if err != nil {
					t.Fatal(err)
				}
				typed, err := scheme.New(v1alpha1.GroupVersion().WithKind(kind))
				if err != nil {
					t.Fatal(err)
				}
				conv := runtime.DefaultUnstructuredConverter
				if err := conv.FromUnstructuredWithValidation(o.Content, typed, true); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(typed, typed.DeepCopyObject()); diff != "" {
					t.Errorf("a copy differs (-type +copy):\n%s", diff)
				}
				back, err := conv.ToUnstructured(typed)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(withoutZeroes(o.Content), withoutZeroes(back)); diff != "" {
					t.Errorf("lost or changed by the types (-stored +typed):\n%s", diff)
				}
			})
		}
	}
}

// withoutZeroes leaves out what Go's types do not tell from what is absent: false, 0, empty texts, lists and objects. Whole
// numbers become texts, as those of quantities do.
func withoutZeroes(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if e = withoutZeroes(e); e != nil {
				out[k] = e
			}
		}
		if len(out) > 0 {
			return out
		}
		return nil
	case []any:
		var out []any
		for _, e := range v {
			out = append(out, withoutZeroes(e))
		}
		if len(out) > 0 {
			return out
		}
		return nil
	case string:
		if v == "" {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	case int64:
		if v == 0 {
			return nil
		}
		return strconv.FormatInt(v, 10)
	}
	return v
}

// TestDefaults shows what an API server fills in. GatewayParameters have no defaults of ours: they are merged, and a default of
// the nearer would win over what the farther says.
func TestDefaults(t *testing.T) {
	s := server(t)
	for _, c := range []struct{ kind, spec, want string }{
		{"Backend", "{type: AI, ai: {llm: {bedrock: {}}}}", "{type: AI, ai: {llm: {bedrock: {region: us-east-1}}}}"},
		{"Backend", "{type: AWS, aws: {accountId: '000000000000', lambda: {functionName: f}}}",
			"{type: AWS, aws: {accountId: '000000000000', region: us-east-1, lambda: {functionName: f, invocationMode: Sync, payloadTransformMode: Envoy, qualifier: $LATEST}}}"},
		{"TrafficPolicy", "{ai: {}, retry: {statusCodes: [500]}, cors: {}, rbac: {policy: {matchExpressions: [a]}}}",
			"{ai: {routeType: CHAT}, retry: {statusCodes: [500], attempts: 1, backoffBaseInterval: 25ms}, cors: {maxAge: 5}, rbac: {policy: {matchExpressions: [a]}, action: Allow}}"},
		{"TrafficPolicy", "{ai: {promptGuard: {request: {customResponse: {}, regex: {}, webhook: {host: {host: a, port: 1}, forwardHeaders: [{name: a, value: b}]}}}, defaults: [{field: a, value: b}]}}",
			"{ai: {routeType: CHAT, promptGuard: {request: {customResponse: {message: The request was rejected due to inappropriate content, statusCode: 403}, regex: {action: MASK}, " +
				"webhook: {host: {host: a, port: 1}, forwardHeaders: [{name: a, value: b, type: Exact}]}}}, defaults: [{field: a, value: b, override: false}]}}"},
		{"TrafficPolicy", "{rateLimit: {local: {tokenBucket: {maxTokens: 5, fillInterval: 1s}}}, extAuth: {extensionRef: {name: a}, withRequestBody: {maxRequestBytes: 1}}, extProc: {extensionRef: {name: a}, processingMode: {}}, transformation: {request: {body: {}}}}",
			"{rateLimit: {local: {tokenBucket: {maxTokens: 5, fillInterval: 1s, tokensPerFill: 1}}}, extAuth: {extensionRef: {name: a}, withRequestBody: {maxRequestBytes: 1, allowPartialMessage: false, packAsBytes: false}}, " +
				"extProc: {extensionRef: {name: a}, processingMode: {requestHeaderMode: SEND, responseHeaderMode: SEND, requestBodyMode: NONE, responseBodyMode: NONE, requestTrailerMode: SKIP, responseTrailerMode: SKIP}}, " +
				"transformation: {request: {body: {parseAs: AsString}}}}"},
		{"GatewayExtension", "{type: RateLimit, rateLimit: {domain: d, grpcService: {backendRef: {name: a, port: 1}}}}",
			"{type: RateLimit, rateLimit: {domain: d, failOpen: true, timeout: 100ms, xRateLimitHeaders: 'Off', grpcService: {backendRef: {group: '', kind: Service, name: a, port: 1, weight: 1}}}}"},
		{"GatewayExtension", "{type: ExtProc, extProc: {grpcService: {backendRef: {name: a, port: 1}}}}",
			"{type: ExtProc, extProc: {failOpen: true, routeCacheAction: Default, grpcService: {backendRef: {group: '', kind: Service, name: a, port: 1, weight: 1}}}}"},
		{"GatewayParameters", "{kube: {deployment: {}, envoyContainer: {bootstrap: {}, image: {}}, podTemplate: {gracefulShutdown: {}}, service: {}, stats: {}, aiExtension: {tracing: {endpoint: 'http://a', sampler: {}}}}}",
			"{kube: {deployment: {}, envoyContainer: {bootstrap: {}, image: {}}, podTemplate: {gracefulShutdown: {}}, service: {}, stats: {}, aiExtension: {tracing: {endpoint: 'http://a', sampler: {}}}}}"},
	} {
		o, err := s.Create(t.Context(), []byte("apiVersion: gateway.kgateway.dev/v1alpha1\nkind: "+c.kind+"\nmetadata: {name: x}\nspec: "+c.spec))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range o.Errors {
			t.Errorf("%s %s: %v", c.kind, c.spec, e)
		}
		var want any
		if err := yaml.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(normalize(want), o.Content["spec"]); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.kind, c.spec, diff)
		}
	}
}
