package ir

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"
)

// MaxEncoded is the most bytes that an encoded Gateway may have.
const MaxEncoded = 64 << 20

// encodingFormat is that of Encode. One that readers of an older format would misread gets the next number.
const encodingFormat = 1

// encoded is a Gateway in JSON. What its fields are called is what they are called in Go.
type encoded struct {
	Format  int               `json:"format"`
	Gateway json.RawMessage   `json:"gateway"` // secrets redacted
	Secrets map[string][]byte `json:"secrets"` // by their places, such as Backends.0.Key.Value
}

// Encode writes g whole, its secrets too, so that another process can have it: keep what it returns as you keep those. Equal
// configurations give equal bytes. It refuses text that is not UTF-8 and what is over MaxEncoded; an error holds no secret.
func Encode(g *Gateway) ([]byte, error) { return encode(g, MaxEncoded) }

func encode(g *Gateway, most int) ([]byte, error) {
	e := encoded{Format: encodingFormat, Secrets: map[string][]byte{}}
	size := 0
	w := walk{text: func(at []byte, s string) error {
		if size += len(s); size > most {
			return fmt.Errorf("it has more than %d bytes", most)
		}
		if !utf8.ValidString(s) {
			return fmt.Errorf("%s: the text is not UTF-8", at)
		}
		return nil
	}, secret: func(at []byte, s Secret) (Secret, error) {
		e.Secrets[string(at)] = []byte(s)
		return s, nil
	}}
	err := w.value(reflect.ValueOf(g).Elem())
	if err == nil {
		e.Gateway, err = json.Marshal(g)
	}
	if err != nil {
		return nil, fmt.Errorf("encode the configuration: %w", err)
	}
	out, err := json.Marshal(e)
	if err == nil && len(out) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	if err != nil {
		return nil, fmt.Errorf("encode the configuration: %w", err)
	}
	return out, nil
}

// Decode reads what Encode of this version or of another wrote: fields that it does not know it leaves out. An error holds no
// secret.
func Decode(data []byte) (*Gateway, error) { return decode(data, MaxEncoded) }

func decode(data []byte, most int) (*Gateway, error) {
	if len(data) > most {
		return nil, fmt.Errorf("decode the configuration: %d bytes are more than %d", len(data), most)
	}
	var e encoded
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, errors.New("decode the configuration: it is damaged") // what json says may quote it
	}
	if e.Format != encodingFormat {
		return nil, fmt.Errorf("decode the configuration: it has format %d, this version reads %d", e.Format, encodingFormat)
	}
	g := &Gateway{}
	if err := json.Unmarshal(e.Gateway, g); err != nil {
		return nil, fmt.Errorf("decode the configuration: %w", err)
	}
	w := walk{set: true, text: func([]byte, string) error { return nil }, secret: func(at []byte, _ Secret) (Secret, error) {
		s, ok := e.Secrets[string(at)]
		if !ok {
			return "", fmt.Errorf("%s: the secret is missing", at)
		}
		return Secret(s), nil
	}}
	if err := w.value(reflect.ValueOf(g).Elem()); err != nil {
		return nil, fmt.Errorf("decode the configuration: %w", err)
	}
	return g, nil
}

// walk visits all texts of a value, and all secrets that are not empty.
type walk struct {
	at     []byte // the place: names of fields, indices, keys, with points between
	text   func(at []byte, s string) error
	secret func(at []byte, s Secret) (Secret, error)
	set    bool // what secret returns is put in its place; without it nothing is written to
}

func (w *walk) value(v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		return w.string(v)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return w.value(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if err := w.below(v.Type().Field(i).Name, v.Field(i)); err != nil {
				return err
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := w.below(strconv.Itoa(i), v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		return w.entries(v)
	}
	return nil
}

func (w *walk) string(v reflect.Value) error {
	if v.Type() != reflect.TypeFor[Secret]() {
		return w.text(w.at, v.String())
	}
	if v.Len() == 0 {
		return nil
	}
	s, err := w.secret(w.at, Secret(v.String()))
	if err == nil && w.set {
		v.SetString(string(s))
	}
	return err
}

// entries visits a map, whose keys are texts.
func (w *walk) entries(m reflect.Value) error {
	for _, k := range m.MapKeys() {
		if err := w.text(w.at, k.String()); err != nil {
			return err
		}
		v := reflect.New(m.Type().Elem()).Elem() // a map's own values cannot be set
		v.Set(m.MapIndex(k))
		if err := w.below(k.String(), v); err != nil {
			return err
		}
		if w.set {
			m.SetMapIndex(k, v)
		}
	}
	return nil
}

func (w *walk) below(name string, v reflect.Value) error {
	before := len(w.at)
	if before > 0 {
		w.at = append(w.at, '.')
	}
	w.at = append(w.at, name...)
	err := w.value(v)
	w.at = slices.Delete(w.at, before, len(w.at))
	return err
}
