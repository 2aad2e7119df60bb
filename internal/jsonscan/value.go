package jsonscan

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// String decodes the JSON string v, "" when v is something else. Lone surrogates become U+FFFD.
func String(v []byte) string {
	if len(v) < 2 || v[0] != '"' {
		return ""
	}
	v = v[1 : len(v)-1]
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v)
	}
	if len(v) <= shortText {
		var short [shortText]byte
		return string(AppendUnquoted(short[:0], v))
	}
	return string(AppendUnquoted(make([]byte, 0, len(v)), v))
}

// shortText is the length of a JSON string, in bytes, that is decoded on the stack: a stream's words and more.
const shortText = 128

// AppendUnquoted appends to dst the text of a JSON string whose quotes were taken off.
func AppendUnquoted(dst, v []byte) []byte {
	for len(v) > 0 {
		i := bytes.IndexByte(v, '\\')
		if i < 0 || i+1 >= len(v) {
			return append(dst, v...)
		}
		dst = append(dst, v[:i]...)
		c := v[i+1]
		v = v[i+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, rest := unquoteRune(v)
			dst, v = utf8.AppendRune(dst, r), rest
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// unquoteRune reads the four hexadecimal digits after \u, and a second escape where they form a surrogate pair.
func unquoteRune(v []byte) (rune, []byte) {
	r, ok := hex4(v)
	if !ok {
		return utf8.RuneError, v
	}
	v = v[4:]
	if !utf16.IsSurrogate(r) {
		return r, v
	}
	if len(v) >= 6 && v[0] == '\\' && v[1] == 'u' {
		if low, ok := hex4(v[2:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, v[6:]
			}
		}
	}
	return utf8.RuneError, v
}

func hex4(v []byte) (rune, bool) {
	if len(v) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(v[:4]), 16, 32)
	return rune(n), err == nil
}

// Float decodes the JSON number v; ok is false when v is something else.
func Float(v []byte) (f float64, ok bool) {
	if KindOf(v) != Number {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(v), 64)
	return f, err == nil
}

// Int decodes the JSON number v when it is whole (3, 3.0 and 3e2 are) and fits.
func Int(v []byte) (n int64, ok bool) {
	if KindOf(v) != Number {
		return 0, false
	}
	if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
		return n, true
	}
	f, ok := Float(v)
	if !ok || f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}

// Bool reports whether v is true.
func Bool(v []byte) bool { return string(v) == "true" }

// IsNull reports whether v is absent or null.
func IsNull(v []byte) bool { return len(v) == 0 || v[0] == 'n' }

// Strings decodes an array of strings, or one string; other elements are left out.
func Strings(v []byte) []string {
	if KindOf(v) == Text {
		return []string{String(v)}
	}
	if KindOf(v) != List {
		return nil
	}
	var out []string
	for it := Array(v); it.Next(); {
		if KindOf(it.Value()) == Text {
			out = append(out, String(it.Value()))
		}
	}
	return out
}

// OnlyStrings reports whether v is a string, or a list of strings and of nothing else.
func OnlyStrings(v []byte) bool {
	if KindOf(v) != List {
		return KindOf(v) == Text
	}
	for it := Array(v); it.Next(); {
		if KindOf(it.Value()) != Text {
			return false
		}
	}
	return true
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string, quotes included. Bytes that are not valid UTF-8 become U+FFFD; nothing is
// escaped that need not be.
func AppendString(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	dst = append(dst, '"')
	from := len(dst)
	dst = append(dst, s...)
	if i := plainEnd(dst, from); i < len(dst) {
		done := i - from
		dst = appendEscaped(dst[:i], s[done:])
	}
	return append(dst, '"')
}

// appendEscaped appends s, which begins with a character that must be escaped.
func appendEscaped(dst []byte, s string) []byte {
	start := 0
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, c)
			start = i + 1
		}
	}
	return append(dst, s[start:]...)
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
