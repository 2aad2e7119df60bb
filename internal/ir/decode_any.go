package ir

import (
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v3"
)

// json appends n, the value of field, as JSON. Variables stand for text in texts; a plain value that is nothing but one is read as if it
// were written there.
func (d *decoder) json(dst []byte, n *yaml.Node, field string) []byte {
	n, ok := d.resolve(n, field)
	if !ok {
		return append(dst, "null"...)
	}
	switch n.Kind {
	case yaml.SequenceNode:
		dst = append(dst, '[')
		for i, item := range n.Content {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = d.json(dst, item, index(field, i))
		}
		return append(dst, ']')
	case yaml.MappingNode:
		dst = append(dst, '{')
		for i, e := range d.entries(n, field) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, quotedJSON(e.key.Value)...)
			dst = d.json(append(dst, ':'), e.value, join(field, e.key.Value))
		}
		return append(dst, '}')
	}
	e, errs := d.options.expand(n.Value)
	for _, err := range errs {
		d.addAt(n, field, Problem{Message: err.Error()})
	}
	plain := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	if tag := n.ShortTag(); !plain || tag == "!!str" && e.text == n.Value || tag == "!!timestamp" {
		return append(dst, quotedJSON(e.text)...)
	}
	var v any
	node := yaml.Node{Kind: yaml.ScalarNode, Value: e.text}
	if tag := node.ShortTag(); tag == "!!str" || tag == "!!timestamp" || node.Decode(&v) != nil {
		return append(dst, quotedJSON(e.text)...)
	}
	out, err := json.Marshal(v)
	if err != nil {
		d.addAt(n, field, Problem{Message: "not a number that JSON has", Found: quoted(n.Value)})
		return append(dst, "null"...)
	}
	return append(dst, out...)
}

// quotedJSON is s as a JSON string.
func quotedJSON(s string) []byte {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return []byte(`""`) // cannot be: s is a text
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}
