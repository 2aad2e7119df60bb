// Package jsonscan reads JSON (RFC 8259) without decoding it: one pass over a body yields the raw values of the members
// that are wanted, and validates everything it passes. Values alias the input; offsets into the input can be had from
// them, so that an edit is a splice.
//
//	it := jsonscan.Object(body)
//	for it.Next() {
//		switch string(it.Key()) {
//		case "model":
//			model = jsonscan.String(it.Value())
//		}
//	}
//	if err := it.Err(); err != nil { … }
//
// The package imports nothing but the standard library. Nothing here checks that strings are valid UTF-8.
package jsonscan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// MaxDepth is how deeply objects and arrays may nest.
const MaxDepth = 512

var errDepth = errors.New("nested too deeply")

// SyntaxError says where the input stops being JSON.
type SyntaxError struct {
	Offset int // bytes from the start of what was scanned
	What   string
}

// Error implements error.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.What, e.Offset) }

// Kind is the type of a value.
type Kind byte

// The kinds of value.
const (
	Invalid Kind = iota
	Null
	False
	True
	Number
	Text
	List
	Dict
)

// KindOf tells v's kind by its first byte.
func KindOf(v []byte) Kind {
	if len(v) == 0 {
		return Invalid
	}
	switch c := v[0]; {
	case c == '"':
		return Text
	case c == '{':
		return Dict
	case c == '[':
		return List
	case c == 't':
		return True
	case c == 'f':
		return False
	case c == 'n':
		return Null
	case c == '-' || c >= '0' && c <= '9':
		return Number
	}
	return Invalid
}

// Iter walks the members of an object or the elements of an array.
type Iter struct {
	data  []byte
	pos   int
	key   []byte
	val   [2]int
	close byte // '}' or ']'
	state byte // 0 before the first, 1 within, 2 done
	err   error
}

// Object walks the object that data holds, white space around it allowed.
func Object(data []byte) Iter { return Iter{data: data, close: '}'} }

// Array walks the array that data holds, white space around it allowed.
func Array(data []byte) Iter { return Iter{data: data, close: ']'} }

// Next advances to the next member or element. It returns false at the end and on an error.
func (it *Iter) Next() bool {
	if it.state == 2 {
		return false
	}
	i := skipSpace(it.data, it.pos)
	if it.state == 0 {
		open, what := byte('{'), "expected an object"
		if it.close == ']' {
			open, what = '[', "expected an array"
		}
		if i >= len(it.data) || it.data[i] != open {
			return it.fail(i, what)
		}
		it.state = 1
		if i = skipSpace(it.data, i+1); i < len(it.data) && it.data[i] == it.close {
			return it.end(i + 1)
		}
	} else {
		switch {
		case i >= len(it.data):
			return it.fail(i, "unexpected end")
		case it.data[i] == it.close:
			return it.end(i + 1)
		case it.data[i] != ',':
			return it.fail(i, "expected a comma")
		}
		i = skipSpace(it.data, i+1)
	}
	return it.member(i)
}

func (it *Iter) member(i int) bool {
	if it.close == '}' {
		if i >= len(it.data) || it.data[i] != '"' {
			return it.fail(i, "expected a member name")
		}
		end, err := skipString(it.data, i)
		if err != nil {
			return it.failErr(err)
		}
		it.key = it.data[i+1 : end-1]
		if i = skipSpace(it.data, end); i >= len(it.data) || it.data[i] != ':' {
			return it.fail(i, "expected a colon")
		}
		i = skipSpace(it.data, i+1)
	}
	end, err := skipValue(it.data, i, 1)
	if err != nil {
		return it.failErr(err)
	}
	it.val, it.pos = [2]int{i, end}, end
	return true
}

func (it *Iter) end(i int) bool {
	it.state = 2
	if i = skipSpace(it.data, i); i != len(it.data) {
		return it.fail(i, "unexpected data after the value")
	}
	return false
}

func (it *Iter) fail(i int, what string) bool {
	return it.failErr(syntax(it.data, i, what))
}

func (it *Iter) failErr(err error) bool {
	it.state, it.err = 2, err
	return false
}

// Key is the member's name, decoded: a name written with escapes must not pass for another where a guard looks at it.
func (it *Iter) Key() []byte {
	if bytes.IndexByte(it.key, '\\') < 0 {
		return it.key
	}
	return AppendUnquoted(nil, it.key)
}

// KeyAt is where the string of the member's name stands in the data, quotes included.
func (it *Iter) KeyAt() [2]int {
	start := cap(it.data) - cap(it.key) - 1
	return [2]int{start, start + len(it.key) + 2}
}

// Value is the raw value.
func (it *Iter) Value() []byte { return it.data[it.val[0]:it.val[1]] }

// At is where Value stands in the data.
func (it *Iter) At() [2]int { return it.val }

// Err is the error that ended the walk, nil at the end of the value.
func (it *Iter) Err() error { return it.err }

// Validate checks that data is one JSON value.
func Validate(data []byte) error {
	i := skipSpace(data, 0)
	end, err := skipValue(data, i, 0)
	if err != nil {
		return err
	}
	if end = skipSpace(data, end); end != len(data) {
		return &SyntaxError{Offset: end, What: "unexpected data after the value"}
	}
	return nil
}

// Get descends through objects by member names and returns the raw value, nil where there is none. The last of several
// members of one name counts, and of malformed data what stands before the fault.
func Get(v []byte, path ...string) []byte {
	for _, name := range path {
		it, found := Object(v), []byte(nil)
		for it.Next() {
			if string(it.Key()) == name {
				found = it.Value()
			}
		}
		if found == nil {
			return nil
		}
		v = found
	}
	return v
}

// End returns where the value that begins at i in data ends. Nothing is said about what follows it.
func End(data []byte, i int) (int, error) { return skipValue(data, i, 0) }

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipValue returns the end of the value at i.
func skipValue(b []byte, i, depth int) (int, error) {
	if i >= len(b) {
		return i, syntax(b, i, "")
	}
	switch c := b[i]; {
	case c == '"':
		return skipString(b, i)
	case c == '{' || c == '[':
		if depth >= MaxDepth {
			return i, fmt.Errorf("%w (more than %d levels)", errDepth, MaxDepth)
		}
		return skipContainer(b, i, depth)
	case c == 't':
		return skipLiteral(b, i, "true")
	case c == 'f':
		return skipLiteral(b, i, "false")
	case c == 'n':
		return skipLiteral(b, i, "null")
	case c == '-' || c >= '0' && c <= '9':
		return skipNumber(b, i)
	}
	return i, syntax(b, i, "expected a value")
}

func skipContainer(b []byte, i, depth int) (int, error) {
	object := b[i] == '{'
	closing := byte(']')
	if object {
		closing = '}'
	}
	if i = skipSpace(b, i+1); i < len(b) && b[i] == closing {
		return i + 1, nil
	}
	for {
		if object {
			if i >= len(b) || b[i] != '"' {
				return i, syntax(b, i, "expected a member name")
			}
			end, err := skipString(b, i)
			if err != nil {
				return i, err
			}
			if i = skipSpace(b, end); i >= len(b) || b[i] != ':' {
				return i, syntax(b, i, "expected a colon")
			}
			i = skipSpace(b, i+1)
		}
		end, err := skipValue(b, i, depth+1)
		if err != nil {
			return i, err
		}
		i = skipSpace(b, end)
		switch {
		case i >= len(b):
			return i, syntax(b, i, "")
		case b[i] == closing:
			return i + 1, nil
		case b[i] != ',':
			return i, syntax(b, i, "expected a comma")
		}
		i = skipSpace(b, i+1)
	}
}

// syntax is the error for what was found at i.
func syntax(b []byte, i int, what string) error {
	if i >= len(b) {
		what = "unexpected end"
	}
	return &SyntaxError{Offset: i, What: what}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks, in the high bit of each byte of w, a quote, a backslash or a control character. Only the lowest mark is
// exact: the subtractions may carry into the bytes above it. Bytes of 0x80 and more are none of these.
func special(w uint64) uint64 {
	q := w ^ ones*'"'
	s := w ^ ones*'\\'
	return ((q - ones) | (s - ones) | (w - ones*0x20)) &^ w & highs
}

// plainEnd returns the first quote, backslash or control character of b at or after i, len(b) when there is none.
func plainEnd(b []byte, i int) int {
	for words := 0; len(b)-i >= 8; words++ {
		if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
		if i += 8; words >= 2 { // a long text: four words at a time
			i = plainBlocks(b, i)
		}
	}
	for i < len(b) && b[i] >= 0x20 && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// plainBlocks passes over blocks of 32 bytes without a quote, backslash or control character.
func plainBlocks(b []byte, i int) int {
	for len(b)-i >= 32 {
		p := b[i : i+32 : i+32]
		m := special(binary.LittleEndian.Uint64(p)) | special(binary.LittleEndian.Uint64(p[8:])) |
			special(binary.LittleEndian.Uint64(p[16:])) | special(binary.LittleEndian.Uint64(p[24:]))
		if m != 0 {
			return i
		}
		i += 32
	}
	return i
}

// skipString returns the end of the string whose opening quote is at i.
func skipString(b []byte, i int) (int, error) {
	for i = plainEnd(b, i+1); i < len(b); i = plainEnd(b, i) {
		switch b[i] {
		case '"':
			return i + 1, nil
		case '\\':
			n := escapeLen(b, i)
			if n == 0 {
				return i, syntax(b, i+1, "invalid escape")
			}
			i += n
		default:
			return i, syntax(b, i, "control character in a string")
		}
	}
	return i, syntax(b, i, "")
}

// escapeLen is the length of the escape at i, 0 when it is none.
func escapeLen(b []byte, i int) int {
	if i+1 >= len(b) {
		return 0
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if i+6 <= len(b) && isHex(b[i+2]) && isHex(b[i+3]) && isHex(b[i+4]) && isHex(b[i+5]) {
			return 6
		}
	}
	return 0
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func skipLiteral(b []byte, i int, lit string) (int, error) {
	if len(b)-i < len(lit) || string(b[i:i+len(lit)]) != lit {
		return i, syntax(b, i, "expected a value")
	}
	return i + len(lit), nil
}

func skipNumber(b []byte, i int) (int, error) {
	start := i
	if b[i] == '-' {
		i++
	}
	digits := func() bool {
		from := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return start, syntax(b, i, "invalid number")
	}
	if i < len(b) && b[i] == '.' {
		if i++; !digits() {
			return start, syntax(b, i, "invalid number")
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return start, syntax(b, i, "invalid number")
		}
	}
	return i, nil
}
