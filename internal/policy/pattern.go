package policy

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxReach bounds, in bytes, how far behind a border a match of a pattern is looked for. A match that goes over a border
// and is longer may be seen in part or not at all in a stream.
const maxReach = 128

// newPattern compiles an expression (RE2).
func newPattern(name, expr string) (detector, error) {
	if name == "" {
		name = "CUSTOM"
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return detector{}, fmt.Errorf("pattern %s: %w", name, err)
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return detector{}, fmt.Errorf("pattern %s: %w", name, err)
	}
	return detector{name: name, placeholder: "<" + name + ">", reach: reach(tree), find: findPattern(re, required(tree))}, nil
}

// findPattern finds the matches of re that are not empty, all of which contain word. Where one begins in the context, the
// search is made without it.
func findPattern(re *regexp.Regexp, word string) func(dst []match, text []byte, from int) []match {
	return func(dst []match, text []byte, from int) []match {
		if !containsFold(text, word) || !re.Match(text) { // neither costs memory, as finding does
			return dst
		}
		had := len(dst)
		dst = appendMatches(dst, re, text, 0)
		if len(dst) > had && dst[had].start < from {
			dst = appendMatches(dst[:had], re, text, from)
		}
		return dst
	}
}

func appendMatches(dst []match, re *regexp.Regexp, text []byte, from int) []match {
	for _, loc := range re.FindAllIndex(text[from:], -1) {
		if loc[1] > loc[0] {
			dst = append(dst, match{start: from + loc[0], end: from + loc[1]})
		}
	}
	return dst
}

// required returns a word, in lower case, that every match of re contains in upper or lower case; "" when none is known.
// Looking for it costs a fraction of what the expression does, most of all when that ignores case.
func required(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if r >= utf8.RuneSelf {
				return ""
			}
		}
		return strings.ToLower(string(re.Rune))
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		word := ""
		for _, sub := range re.Sub {
			if s := required(sub); len(s) > len(word) {
				word = s
			}
		}
		return word
	}
	return ""
}

// containsFold reports whether text contains word or may: a text with one of the two characters that fold to ASCII letters
// from outside of ASCII always may.
func containsFold(text []byte, word string) bool {
	if word == "" {
		return true
	}
	first := word[0] | 0x20
	for i, last := 0, len(text)-len(word); i <= last; i++ {
		if text[i]|0x20 == first && foldsTo(text[i:], word) {
			return true
		}
	}
	return bytes.Contains(text, []byte(longS)) || bytes.Contains(text, []byte(kelvin))
}

// The characters outside of ASCII that fold to s and k (Unicode, CaseFolding.txt).
const (
	longS  = "\u017f"
	kelvin = "\u212a"
)

func foldsTo(text []byte, word string) bool {
	for i := range len(word) {
		if text[i]|0x20 != word[i]|0x20 {
			return false
		}
	}
	return true
}

// reach is the reach of a pattern: none when it matches no character that is a border, since no match then goes over one,
// else the length of its longest match, as far as that is known.
func reach(re *syntax.Regexp) int {
	if !spansBorder(re) {
		return 0
	}
	if n := longestMatch(re); n >= 0 && n < maxReach {
		return min(n+utf8.UTFMax, maxReach)
	}
	return maxReach
}

// spansBorder reports whether a match of re may hold a border.
func spansBorder(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if isBorder(r) {
				return true
			}
		}
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if overlapsBorder(re.Rune[i], re.Rune[i+1]) {
				return true
			}
		}
	}
	for _, sub := range re.Sub {
		if spansBorder(sub) {
			return true
		}
	}
	return false
}

// longestMatch is the most bytes that a match of re has, -1 when there is no bound.
func longestMatch(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpLiteral:
		return utf8.UTFMax * len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return utf8.UTFMax
	case syntax.OpCapture, syntax.OpQuest:
		return longestMatch(re.Sub[0])
	case syntax.OpStar, syntax.OpPlus:
		return -1
	case syntax.OpRepeat:
		n := longestMatch(re.Sub[0])
		if n < 0 || re.Max < 0 {
			return -1
		}
		return n * re.Max
	}
	sum := 0
	for _, sub := range re.Sub {
		n := longestMatch(sub)
		if n < 0 {
			return -1
		}
		if re.Op == syntax.OpAlternate {
			sum = max(sum, n)
		} else {
			sum += n
		}
	}
	return sum
}

// borders are the characters after which a text may be cut: white space, and the letters and punctuation of scripts that
// write no space between words.
var borders = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: '\t', Hi: '\r', Stride: 1},
		{Lo: ' ', Hi: ' ', Stride: 1},
		{Lo: 0x0e00, Hi: 0x0eff, Stride: 1}, // Thai, Lao
		{Lo: 0x1000, Hi: 0x109f, Stride: 1}, // Myanmar
		{Lo: 0x1780, Hi: 0x17ff, Stride: 1}, // Khmer
		{Lo: 0x2028, Hi: 0x2029, Stride: 1}, // separators of lines and paragraphs
		{Lo: 0x3000, Hi: 0x30ff, Stride: 1}, // CJK punctuation, Hiragana, Katakana
		{Lo: 0x3400, Hi: 0x9fff, Stride: 1}, // Han
		{Lo: 0xf900, Hi: 0xfaff, Stride: 1}, // Han, compatibility
		{Lo: 0xff00, Hi: 0xffef, Stride: 1}, // full and half width forms
	},
	R32:         []unicode.Range32{{Lo: 0x20000, Hi: 0x3ffff, Stride: 1}}, // Han, supplementary
	LatinOffset: 2,
}

func isBorder(r rune) bool { return unicode.Is(borders, r) }

func overlapsBorder(lo, hi rune) bool {
	for _, b := range borders.R16 {
		if lo <= rune(b.Hi) && hi >= rune(b.Lo) {
			return true
		}
	}
	for _, b := range borders.R32 {
		if lo <= rune(b.Hi) && hi >= rune(b.Lo) {
			return true
		}
	}
	return false
}

// border returns the end of the first border of text that ends at from or after it, -1 when there is none. A border that
// is cut short is none.
func border(text []byte, from int) int {
	i := max(from-1, 0)
	for i > 0 && i < len(text) && from-i < utf8.UTFMax && !utf8.RuneStart(text[i]) {
		i--
	}
	for i < len(text) {
		if c := text[i]; c < utf8.RuneSelf {
			i++
			if c <= ' ' && isBorder(rune(c)) && i >= from {
				return i
			}
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if i += n; n > 1 && isBorder(r) && i >= from {
			return i
		}
	}
	return -1
}
