package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/spanway/spanway/internal/control"
)

// Audience is that of the tokens by which data planes are known.
const Audience = "spanway"

// What is known of a service account's token (k8s.io/apiserver, pkg/authentication/serviceaccount).
const (
	accountPrefix = "system:serviceaccount:"
	podName       = "authentication.kubernetes.io/pod-name"
)

var errToken = errors.New("the token is not one of a service account, for the audience " + Audience)

// authenticate asks the API server whose a token is (authentication.k8s.io/v1, TokenReview), as control.Options.Authenticate does.
func authenticate(ctx context.Context, c client.Client, token string) (control.Identity, error) {
	r := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{Audience}}}
	if err := c.Create(ctx, r); err != nil {
		return control.Identity{}, fmt.Errorf("token review: %w", err)
	}
	if !r.Status.Authenticated || !slices.Contains(r.Status.Audiences, Audience) {
		return control.Identity{}, errToken
	}
	account, ok := strings.CutPrefix(r.Status.User.Username, accountPrefix)
	namespace, name, named := strings.Cut(account, ":")
	if !ok || !named {
		return control.Identity{}, errToken
	}
	id := control.Identity{Namespace: namespace, Name: name}
	if pod := r.Status.User.Extra[podName]; len(pod) == 1 {
		id.Pod = pod[0]
	}
	return id, nil
}
