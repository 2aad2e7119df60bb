package extproc

import (
	"time"

	"google.golang.org/protobuf/types/known/structpb"
)

// attributes are what Envoy tells of a message beside it, by the filter that tells it.
type attributes map[string]*structpb.Struct

func attributesOf(m map[string]*structpb.Struct) attributes { return m }

func (a attributes) value(name string) *structpb.Value {
	for _, s := range a {
		if v := s.GetFields()[name]; v != nil {
			return v
		}
	}
	return nil
}

func (a attributes) text(name string) string { return a.value(name).GetStringValue() }

func (a attributes) number(name string) float64 { return a.value(name).GetNumberValue() }

// time is a time; now, when Envoy does not tell one.
func (a attributes) time(name string) time.Time {
	if t, err := time.Parse(time.RFC3339Nano, a.text(name)); err == nil {
		return t
	}
	return time.Now()
}
