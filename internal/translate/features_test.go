package translate_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gwv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/pkg/features"

	"github.com/spanway/spanway/internal/translate"
)

// TestFeatures: a class names features that Gateway API knows, sorted, and docs/gateway-api.md names the same.
func TestFeatures(t *testing.T) {
	class := &gwv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: "kgateway"}, Spec: gwv1.GatewayClassSpec{ControllerName: translate.ControllerName}}
	out := translate.Translate(&translate.Input{Classes: []*gwv1.GatewayClass{class}}, translate.Options{})
	var named []string
	for _, f := range out.Statuses.Classes["kgateway"].SupportedFeatures {
		named = append(named, string(f.Name))
		if !features.AllFeatures.Has(features.GetFeature(features.FeatureName(f.Name))) {
			t.Errorf("%s is no feature of Gateway API", f.Name)
		}
	}
	if !slices.IsSorted(named) {
		t.Errorf("features are not sorted: %v", named)
	}
	page, err := os.ReadFile("../../docs/gateway-api.md")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?s)names:\n(.*?)\.\n\n`).FindSubmatch(page)
	if list == nil {
		t.Fatal("docs/gateway-api.md has no list of features")
	}
	if told := strings.FieldsFunc(string(list[1]), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }); !slices.Equal(told, named) {
		t.Errorf("docs/gateway-api.md names %v, want %v", told, named)
	}
}
