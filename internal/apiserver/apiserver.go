// Package apiserver says what a Kubernetes API server would say of an object, without one: it applies the
// CustomResourceDefinitions of install/helm/spanway-crds and of the Gateway API with the API server's own code, in the order of
// its create handler.
//
// Load has those definitions. New reads others and refuses those that an API server would refuse: schemas that are not
// structural, rules in CEL that do not compile or may cost too much. Create then takes objects as YAML or JSON.
package apiserver

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	metavalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celbudget "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// Server has the definitions of kinds. It may be used concurrently.
type Server struct {
	kinds map[string]func() (*kind, error) // by apiVersion and kind, as key makes of them; a kind is made when it is first needed
}

// kind is one version of a definition.
type kind struct {
	namespaced bool
	structural *schema.Structural
	openapi    validation.SchemaValidator
	status     validation.SchemaValidator // of the status subresource, for which status is not taken at creation; nil = there is none
	rules      *cel.Validator
}

// Object is what a server makes of a document.
type Object struct {
	// Content is the object as it would be stored: without unknown fields, with defaults.
	Content map[string]any
	// Unknown are paths of fields that the kind does not have, such as "spec.foo", and keys that stand twice. A server drops
	// them with a warning, or refuses the object if the client asks for that.
	Unknown []string
	// Errors are the reasons for which the object is refused; none if it is accepted.
	Errors field.ErrorList
}

// New reads the definitions in folders (*.yaml), one a file. Files with something else are left out.
func New(ctx context.Context, folders ...fs.FS) (*Server, error) {
	s := &Server{kinds: map[string]func() (*kind, error){}}
	for _, fsys := range folders {
		names, err := fs.Glob(fsys, "*.yaml")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			text, err := fs.ReadFile(fsys, name)
			if err != nil {
				return nil, err
			}
			if err := s.define(ctx, text); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return s, nil
}

func key(apiVersion, kind string) string { return apiVersion + " " + kind }

func (s *Server) define(ctx context.Context, text []byte) error {
	var crd apiext.CustomResourceDefinition
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return err
	}
	if crd.Kind != "CustomResourceDefinition" {
		return nil
	}
	apiext.SetDefaults_CustomResourceDefinition(&crd)
	apiext.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
	var def apiextensions.CustomResourceDefinition
	if err := apiext.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&crd, &def, nil); err != nil {
		return err
	}
	for _, v := range crd.Spec.Versions {
		if v.Storage {
			def.Status.StoredVersions = []string{v.Name}
		}
	}
	if errs := crdvalidation.ValidateCustomResourceDefinition(ctx, &def); len(errs) > 0 {
		return errs.ToAggregate()
	}
	s.add(&crd)
	for i := range crd.Spec.Versions {
		if _, err := s.kinds[key(crd.Spec.Group+"/"+crd.Spec.Versions[i].Name, crd.Spec.Names.Kind)](); err != nil {
			return err
		}
	}
	return nil
}

// add makes the versions of a definition known.
func (s *Server) add(crd *apiext.CustomResourceDefinition) {
	for i := range crd.Spec.Versions {
		v := &crd.Spec.Versions[i]
		s.kinds[key(crd.Spec.Group+"/"+v.Name, crd.Spec.Names.Kind)] = sync.OnceValues(func() (*kind, error) { return newKind(crd, v) })
	}
}

func newKind(crd *apiext.CustomResourceDefinition, v *apiext.CustomResourceDefinitionVersion) (*kind, error) {
	var def apiextensions.CustomResourceValidation
	if err := apiext.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(v.Schema, &def, nil); err != nil {
		return nil, err
	}
	structural, err := schema.NewStructural(def.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	openapi, _, err := validation.NewSchemaValidator(def.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	k := &kind{
		namespaced: crd.Spec.Scope == apiext.NamespaceScoped,
		structural: structural,
		openapi:    openapi,
		rules:      cel.NewValidator(structural, true, celbudget.PerCallLimit),
	}
	if v.Subresources != nil && v.Subresources.Status != nil {
		part := def.OpenAPIV3Schema.Properties["status"]
		k.status, _, err = validation.NewSchemaValidator(&part)
	}
	return k, err
}

// Knows reports whether the kind is one that s defines.
func (s *Server) Knows(apiVersion, kind string) bool { return s.kinds[key(apiVersion, kind)] != nil }

// Create says what comes of creating the object of a document, YAML or JSON. The namespace is "default" if the document has
// none, and a status is left out, as it is written on its own. An error is returned for what is no object of a kind that s
// knows.
func (s *Server) Create(ctx context.Context, document []byte) (*Object, error) {
	return s.take(ctx, document, false)
}

// UpdateStatus says what comes of writing the status of the object of a document, YAML or JSON. The rest of the object is taken
// as it is in the document. Otherwise it is as Create.
func (s *Server) UpdateStatus(ctx context.Context, document []byte) (*Object, error) {
	return s.take(ctx, document, true)
}

func (s *Server) take(ctx context.Context, document []byte, status bool) (*Object, error) {
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(document, &u.Object); err != nil {
		return nil, err
	}
	known := s.kinds[key(u.GetAPIVersion(), u.GetKind())]
	if known == nil {
		return nil, fmt.Errorf("no kind %q in version %q", u.GetKind(), u.GetAPIVersion())
	}
	k, err := known()
	if err != nil {
		return nil, err
	}
	if status && k.status == nil {
		return nil, fmt.Errorf("kind %q has no status", u.GetKind())
	}
	o := &Object{Content: normalize(u.Object).(map[string]any)}
	if _, err := yaml.YAMLToJSONStrict(document); err != nil {
		o.Unknown = duplicates(err)
	}
	u.Object = o.Content
	if k.namespaced && u.GetNamespace() == "" {
		u.SetNamespace("default")
	}
	fault, unknown := objectmeta.CoerceWithOptions(nil, o.Content, k.structural, true,
		objectmeta.CoerceOptions{DropInvalidFields: true, ReturnUnknownFieldPaths: true})
	if fault != nil {
		o.Errors = append(o.Errors, fault)
		return o, nil
	}
	o.Unknown = append(o.Unknown, unknown...)
	o.Unknown = append(o.Unknown, pruning.PruneWithOptions(o.Content, k.structural, true,
		schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})...)
	defaulting.PruneNonNullableNullsWithoutDefaults(o.Content, k.structural)
	defaulting.Default(o.Content, k.structural)
	if k.status != nil && !status {
		delete(o.Content, "status")
	}
	o.Errors = k.validate(ctx, u, status)
	return o, nil
}

// validate is the order of the API server's registry for custom resources: rules in CEL are not asked about an object whose
// shape is wrong, and the shape of all but the status does not matter where that is written.
func (k *kind) validate(ctx context.Context, u *unstructured.Unstructured, status bool) field.ErrorList {
	var errs field.ErrorList
	if status {
		errs = validation.ValidateCustomResource(field.NewPath("status"), u.Object["status"], k.status)
	} else {
		errs = metavalidation.ValidateObjectMetaAccessor(u, k.namespaced, metavalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
		errs = append(errs, validation.ValidateCustomResource(nil, u.Object, k.openapi)...)
		errs = append(errs, objectmeta.Validate(ctx, nil, u.Object, k.structural, false)...)
	}
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, k.structural, u.Object)...)
	if k.rules == nil {
		return errs
	}
	for _, e := range errs {
		switch e.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
			return append(errs, field.Invalid(nil, nil,
				"some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"))
		}
	}
	more, _ := k.rules.Validate(ctx, nil, k.structural, u.Object, nil, celbudget.RuntimeCELCostBudget)
	return append(errs, more...)
}

// normalize gives numbers the types that the API server's JSON decoder gives them: int64 if whole, else float64.
func normalize(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			v[key] = normalize(e)
		}
	case []any:
		for i, e := range v {
			v[i] = normalize(e)
		}
	case float64:
		if n := int64(v); float64(n) == v {
			return n
		}
	}
	return v
}

// duplicates takes the keys that stand twice out of the YAML decoder's message.
func duplicates(err error) []string {
	var out []string
	for line := range strings.Lines(err.Error()) {
		if _, found, ok := strings.Cut(line, "key "); ok {
			name, _, _ := strings.Cut(found, " already set")
			out = append(out, strings.Trim(name, "\" ")+" (twice)")
		}
	}
	return out
}
