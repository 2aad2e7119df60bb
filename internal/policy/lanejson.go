package policy

import (
	"strings"
	"unicode/utf8"
)

// jsonMode says how a lane reads its text.
type jsonMode uint8

const (
	jsonNone    jsonMode = iota // plain text
	jsonUnknown                 // nothing but white space was seen of what may be JSON
	jsonOn                      // JSON: an object, an array or a string
)

// jsonState is where in a JSON text a lane is.
type jsonState struct {
	mode   jsonMode
	token  jsonToken
	escape int // position of the escape, -1 when it is not to be read
	digits int // of a \u escape, still to come
	r      rune
}

type jsonToken uint8

const (
	jsonBetween jsonToken = iota // outside strings and numbers
	jsonNumber
	jsonString
	jsonEscape
	jsonUnicode
)

// maxNumber is the length of a number that is checked, bytes.
const maxNumber = 64

// feedJSON takes in JSON. What its strings say is checked as text, each for itself, and what its numbers are; a number that
// is flagged becomes a string, so that the JSON stays valid. Surrogate pairs in escapes count as two unknown characters.
func (l *lane) feedJSON(w *regexWatch, s string) {
	for i := range len(s) {
		c := s[i]
		if l.json.mode == jsonUnknown && !l.begin(w, s[i:]) {
			return
		}
		pos := l.end
		l.end++
		switch l.json.token {
		case jsonString:
			l.inString(w, c, pos)
		case jsonEscape:
			l.inEscape(c)
		case jsonUnicode:
			l.inUnicode(c)
		default:
			l.between(w, c, pos)
		}
		if w.refused != nil {
			return
		}
	}
	switch l.json.token {
	case jsonBetween:
		l.settle(w, l.end)
	case jsonString, jsonEscape, jsonUnicode:
		l.advance(w)
	}
}

// begin looks at the first characters. What is not JSON is fed as text, and false returned.
func (l *lane) begin(w *regexWatch, s string) bool {
	switch s[0] {
	case ' ', '\t', '\r', '\n':
	case '{', '[', '"':
		l.json.mode = jsonOn
	default:
		l.json.mode = jsonNone
		l.text = append(l.text[:0], s...)
		l.end += len(s)
		l.textEnd = l.end
		l.advance(w)
		return false
	}
	return true
}

// between reads c outside strings.
func (l *lane) between(w *regexWatch, c byte, pos int) {
	bare := strings.IndexByte("{}[],:\" \t\r\n", c) < 0
	switch {
	case l.json.token == jsonNumber && bare:
		l.say(pos, c)
	case l.json.token == jsonNumber:
		l.endNumber(w)
		l.between(w, c, pos)
	case bare:
		l.json.token = jsonNumber
		l.say(pos, c)
	case c == '"':
		l.settle(w, pos+1)
		l.json.token = jsonString
		l.clear(pos + 1)
	}
}

func (l *lane) inString(w *regexWatch, c byte, pos int) {
	switch c {
	case '"':
		l.json.token = jsonBetween
		l.finish(w)
		l.clear(pos + 1)
	case '\\':
		l.json.token, l.json.escape = jsonEscape, pos
	default:
		l.say(pos, c)
	}
}

func (l *lane) inEscape(c byte) {
	l.json.token = jsonString
	switch c {
	case 'u':
		l.json.token, l.json.digits, l.json.r = jsonUnicode, 4, 0
		return
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
	}
	l.say(l.json.escape, c)
}

func (l *lane) inUnicode(c byte) {
	d := rune(c | 0x20)
	switch {
	case isDigit(c):
		d -= '0'
	default:
		d = (d - 'a' + 10) & 15
	}
	l.json.r = l.json.r<<4 | d
	if l.json.digits--; l.json.digits > 0 {
		return
	}
	l.json.token = jsonString
	var buf [utf8.UTFMax]byte
	for _, b := range buf[:utf8.EncodeRune(buf[:], l.json.r)] {
		l.say(l.json.escape, b)
	}
}

// say appends c, which is said at pos, to the text. Of a number no more is kept than is checked.
func (l *lane) say(pos int, c byte) {
	if l.textEnd = l.end; pos < 0 || l.json.token == jsonNumber && len(l.text) > maxNumber {
		return
	}
	l.text, l.at = append(l.text, c), append(l.at, pos)
}

// clear forgets the text: a token begins or ended before pos.
func (l *lane) clear(pos int) {
	l.text, l.at, l.textEnd = l.text[:0], l.at[:0], pos
	l.start, l.cut, l.from = 0, 0, 0
}

// endNumber checks a number that is complete.
func (l *lane) endNumber(w *regexWatch) {
	l.json.token = jsonBetween
	if len(l.text) <= maxNumber {
		w.matches = w.guard.find(w.matches[:0], l.text, 0)
		if len(w.matches) > 0 && w.flag(w.matches) {
			l.edits = append(l.edits, edit{start: l.at[0], end: l.textEnd, with: w.guard.rules[w.matches[0].rule].bare})
		}
	}
	if w.refused == nil {
		l.settle(w, l.textEnd)
	}
	l.clear(l.textEnd)
}

// finishJSON decides what there is of JSON that goes no further, or not now.
func (l *lane) finishJSON(w *regexWatch) {
	switch l.json.token {
	case jsonNumber:
		l.endNumber(w)
	case jsonString:
		l.finish(w)
	case jsonEscape, jsonUnicode:
		l.finish(w)
		l.json.escape = -1 // its beginning is out
	}
	if w.refused == nil {
		l.settle(w, l.end)
	}
}
