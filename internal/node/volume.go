//go:build linux

package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// tokenCheck is how often a pod looks whether a token is old.
const tokenCheck = 10 * time.Second

// token is a service account's, for one pod.
type token struct {
	text  string
	renew time.Time // it is asked for anew then, after four fifths of its life
}

// volume is the folder of a volume.
func (p *pod) volume(name string) string { return filepath.Join(p.dir, "volume-"+name) }

// hostPath is the machine's folder that a volume is; "" if it is none.
func (p *pod) hostPath(name string) string {
	if v := p.spec(name); v != nil && v.HostPath != nil {
		return v.HostPath.Path
	}
	return ""
}

// constant reports whether containers cannot write to a volume.
func (p *pod) constant(name string) bool {
	v := p.spec(name)
	return v != nil && (v.ConfigMap != nil || v.Secret != nil || v.Projected != nil || v.DownwardAPI != nil)
}

func (p *pod) spec(name string) *corev1.Volume {
	o := p.now()
	for i := range o.Spec.Volumes {
		if o.Spec.Volumes[i].Name == name {
			return &o.Spec.Volumes[i]
		}
	}
	return nil
}

// mountAll makes the volumes, and renews those whose content has changed.
func (p *pod) mountAll() error {
	o := p.now()
	for i := range o.Spec.Volumes {
		v := &o.Spec.Volumes[i]
		if err := p.fill(v); err != nil {
			return fmt.Errorf("volume %s: %w", v.Name, err)
		}
	}
	return nil
}

func (p *pod) fill(v *corev1.Volume) error {
	dir := p.volume(v.Name)
	content := map[string][]byte{}
	var err error
	switch {
	case v.HostPath != nil:
		return nil
	case v.EmptyDir != nil:
		return p.empty(dir)
	case v.ConfigMap != nil:
		err = p.items(content, "ConfigMap", v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.Optional)
	case v.Secret != nil:
		err = p.items(content, "Secret", v.Secret.SecretName, v.Secret.Items, v.Secret.Optional)
	case v.DownwardAPI != nil:
		err = p.downward(content, v.DownwardAPI.Items)
	case v.Projected != nil:
		err = p.project(content, v.Name, v.Projected.Sources)
	default:
		err = errors.New("of a kind that this node does not have")
	}
	if err != nil {
		return err
	}
	return write(dir, content)
}

// empty makes the folder of an emptyDir.
func (p *pod) empty(dir string) error {
	switch err := os.Mkdir(dir, 0o777); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	mode := fs.FileMode(0o777)
	if s := p.now().Spec.SecurityContext; s != nil && s.FSGroup != nil {
		if err := os.Chown(dir, -1, int(*s.FSGroup)); err != nil {
			return err
		}
		mode |= fs.ModeSetgid
	}
	return os.Chmod(dir, mode)
}

func (p *pod) items(content map[string][]byte, kind, name string, items []corev1.KeyToPath, optional *bool) error {
	data, err := p.data(kind, name, optional)
	if err != nil {
		return err
	}
	if len(items) == 0 {
		for k, v := range data {
			content[k] = []byte(v)
		}
		return nil
	}
	for _, i := range items {
		v, ok := data[i.Key]
		if !ok && !ptr.Deref(optional, false) {
			return fmt.Errorf("%s %s has no key %s", kind, name, i.Key)
		}
		if ok {
			content[i.Path] = []byte(v)
		}
	}
	return nil
}

func (p *pod) downward(content map[string][]byte, items []corev1.DownwardAPIVolumeFile) error {
	for _, i := range items {
		if i.FieldRef == nil {
			return errors.New("the downward API's resources are not there as files")
		}
		switch i.FieldRef.FieldPath {
		case "metadata.labels":
			content[i.Path] = pairs(p.now().Labels)
		case "metadata.annotations":
			content[i.Path] = pairs(p.now().Annotations)
		default:
			v, err := p.field(i.FieldRef.FieldPath)
			if err != nil {
				return err
			}
			content[i.Path] = []byte(v)
		}
	}
	return nil
}

// pairs are labels as the downward API writes them into a file.
func pairs(of map[string]string) []byte {
	var lines []string
	for _, k := range slices.Sorted(maps.Keys(of)) {
		lines = append(lines, k+"="+strconv.Quote(of[k]))
	}
	return []byte(strings.Join(lines, "\n"))
}

func (p *pod) project(content map[string][]byte, volume string, sources []corev1.VolumeProjection) error {
	for _, s := range sources {
		var err error
		switch {
		case s.ConfigMap != nil:
			err = p.items(content, "ConfigMap", s.ConfigMap.Name, s.ConfigMap.Items, s.ConfigMap.Optional)
		case s.Secret != nil:
			err = p.items(content, "Secret", s.Secret.Name, s.Secret.Items, s.Secret.Optional)
		case s.DownwardAPI != nil:
			err = p.downward(content, s.DownwardAPI.Items)
		case s.ServiceAccountToken != nil:
			content[s.ServiceAccountToken.Path], err = p.token(volume, s.ServiceAccountToken)
		default:
			err = errors.New("a projection of a kind that this node does not have")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// token is the pod's, as the API server issues it.
func (p *pod) token(volume string, s *corev1.ServiceAccountTokenProjection) ([]byte, error) {
	key := volume + "/" + s.Path
	if t := p.tokens[key]; time.Now().Before(t.renew) {
		return []byte(t.text), nil
	}
	o := p.now()
	ask := &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{
		ExpirationSeconds: s.ExpirationSeconds,
		BoundObjectRef:    &authv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: o.Name, UID: o.UID},
	}}
	if s.Audience != "" {
		ask.Spec.Audiences = []string{s.Audience}
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Spec.ServiceAccountName}}
	if err := p.node.Client.SubResource("token").Create(p.ctx, account, ask); err != nil {
		return nil, fmt.Errorf("ask for a token: %w", err)
	}
	life := time.Until(ask.Status.ExpirationTimestamp.Time)
	p.tokens[key] = token{text: ask.Status.Token, renew: time.Now().Add(life * 4 / 5)}
	return []byte(ask.Status.Token), nil
}

// write makes content the files of dir, all at once, as the kubelet does it: names are links into a folder that another link
// names, which is exchanged.
func write(dir string, content map[string][]byte) error {
	const data = "..data"
	if same(filepath.Join(dir, data), content) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, _ := os.Readlink(filepath.Join(dir, data))
	fresh, err := os.MkdirTemp(dir, time.Now().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return err
	}
	if err := os.Chmod(fresh, 0o755); err != nil { //nolint:gosec // containers run as other users
		return err
	}
	for name, text := range content {
		file := filepath.Join(fresh, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil { //nolint:gosec // as above
			return err
		}
	}
	next := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(filepath.Base(fresh), next); err != nil {
		return err
	}
	if err := os.Rename(next, filepath.Join(dir, data)); err != nil {
		return err
	}
	for name := range content {
		top, _, _ := strings.Cut(name, "/")
		if err := os.Symlink(data+"/"+top, filepath.Join(dir, top)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if old != "" {
		return os.RemoveAll(filepath.Join(dir, old))
	}
	return nil
}

// same reports whether dir has content.
func same(dir string, content map[string][]byte) bool {
	if _, err := os.Stat(dir); err != nil {
		return false
	}
	seen := 0
	err := filepath.WalkDir(dir+"/", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		seen++
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		if want, ok := content[name]; err == nil && (!ok || !bytes.Equal(text, want)) {
			return errors.New("it differs")
		}
		return err
	})
	return err == nil && seen == len(content)
}
