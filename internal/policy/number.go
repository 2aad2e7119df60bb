package policy

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// numberReach bounds every number, its separators and what is looked at around it, in bytes.
const numberReach = 64

// maxGroups is how many groups of digits one number has at most.
const maxGroups = 8

// number is what begins with a digit, or with a sign or parenthesis before one: groups of digits, each joined to the last.
type number struct {
	lens    [maxGroups]int
	ends    [maxGroups]int    // where each group ends in the text
	joins   [maxGroups]string // what stands before each group
	n       int               // groups
	plus    bool
	bracket bool
	start   int             // of the number in the text
	digits  [maxDigits]byte // of all groups
	have    int             // digits
}

// numberKind is a kind of number that is looked for.
type numberKind uint8

const (
	ssn numberKind = iota
	card
	phone
)

// end returns how many of the first groups of n are a number of kind k, 0 for none.
func (k numberKind) end(text []byte, n *number) int {
	switch k {
	case ssn:
		return ssnEnd(text, n)
	case card:
		return cardEnd(n)
	}
	return phoneEnd(text, n)
}

// find is a detector's find: it tries every place where a number may begin.
func (k numberKind) find(dst []match, text []byte, from int) []match {
	var n number
	for i := from; i < len(text); {
		if !isDigit(text[i]) {
			i++
			continue
		}
		n.read(text, i, from)
		if groups := k.end(text, &n); groups > 0 {
			if end := n.ends[groups-1]; !joinsWord(text, n.start, end) {
				dst = append(dst, match{start: n.start, end: end})
				i = end
				continue
			}
		}
		for i < len(text) && isDigit(text[i]) {
			i++
		}
	}
	return dst
}

// read reads the number whose first digit is at i, with the sign and the parenthesis before it.
func (n *number) read(text []byte, i, from int) {
	*n = number{start: i}
	if i > from && text[i-1] == '(' && closes(text[i:]) {
		n.start, n.bracket = i-1, true
	}
	if n.start > from && text[n.start-1] == '+' {
		n.start, n.plus = n.start-1, true
	}
	join := ""
	for n.n < maxGroups {
		from := i
		for i < len(text) && isDigit(text[i]) && n.have < maxDigits {
			n.digits[n.have] = text[i]
			n.have++
			i++
		}
		if i < len(text) && isDigit(text[i]) {
			return // too long: the group is no end
		}
		n.lens[n.n], n.ends[n.n], n.joins[n.n] = i-from, i, join
		n.n++
		var size int
		if join, size = joint(text[i:]); size == 0 || i+size >= len(text) || !isDigit(text[i+size]) {
			return
		}
		i += size
	}
}

// maxArea is the length of the longest area code that is put in parentheses.
const maxArea = 5

// closes reports whether text begins with the digits of an area code and a parenthesis after them.
func closes(text []byte) bool {
	for i, c := range text[:min(len(text), maxArea+1)] {
		if !isDigit(c) {
			return i > 0 && c == ')'
		}
	}
	return false
}

// maxDigits is the length of the longest number, a card's.
const maxDigits = 19

// joint returns what may join two groups of digits at the start of text: a separator, or one with a parenthesis beside it.
// The separator is given in its ASCII form.
func joint(text []byte) (join string, size int) {
	if len(text) > 0 && text[0] == ')' {
		size++
	}
	sep, n := separator(text[size:])
	size += n
	if size < len(text) && text[size] == '(' {
		size++
	}
	if n == 0 && size > 0 {
		sep = "("
	}
	return sep, size
}

// separator returns the separator that text begins with: a space, hyphen, dot or slash, or one of the spaces and hyphens
// that do not break.
func separator(text []byte) (ascii string, size int) {
	if len(text) == 0 {
		return "", 0
	}
	switch text[0] {
	case ' ':
		return " ", 1
	case '-':
		return "-", 1
	case '.':
		return ".", 1
	case '/':
		return "/", 1
	}
	switch r, size := utf8.DecodeRune(text); r {
	case '\u00a0', '\u2007', '\u202f':
		return " ", size
	case '\u2010', '\u2011', '\u2012', '\u2013':
		return "-", size
	}
	return "", 0
}

// joinsWord reports whether text from start to end is the part of a word or of a longer number.
func joinsWord(text []byte, start, end int) bool {
	return start > 0 && isAlnum(text[start-1]) || end < len(text) && isAlnum(text[end])
}

// continued reports whether a point, comma, hyphen, slash or colon joins text from start to end to another digit: dates,
// versions, decimals.
func continued(text []byte, start, end int) bool {
	return start > 1 && isPoint(text[start-1]) && isDigit(text[start-2]) ||
		end+1 < len(text) && isPoint(text[end]) && isDigit(text[end+1])
}

func isPoint(c byte) bool { return c == '.' || c == ',' || c == '-' || c == '/' || c == ':' }

// shape reports whether the first groups of n have these lengths.
func (n *number) shape(lens ...int) bool {
	if n.n < len(lens) {
		return false
	}
	for i, l := range lens {
		if n.lens[i] != l {
			return false
		}
	}
	return true
}

// alike reports whether the first k groups are all joined by one separator out of set.
func (n *number) alike(k int, set string) bool {
	for i := 1; i < k; i++ {
		if n.joins[i] != n.joins[1] || !strings.Contains(set, n.joins[i]) {
			return false
		}
	}
	return true
}

// count is the number of digits of the first k groups.
func (n *number) count(k int) int {
	sum := 0
	for _, l := range n.lens[:k] {
		sum += l
	}
	return sum
}

// ssnEnd knows United States social security numbers: 3-2-4 digits with one separator throughout, or none. Numbers that
// were never issued (area 000, 666 and 900 up, group 00, serial 0000) and those that stand in advertisements do not count.
func ssnEnd(text []byte, n *number) int {
	var k int
	switch {
	case n.plus || n.bracket:
		return 0
	case n.shape(9):
		k = 1
	case n.shape(3, 2, 4) && n.alike(3, " -."):
		k = 3
	default:
		return 0
	}
	d := string(n.digits[:9])
	switch area := d[:3]; {
	case area == "000" || area == "666" || area[0] == '9', d[3:5] == "00", d[5:] == "0000":
		return 0
	case d == "123456789" || d == "078051120" || d == "219099999", bytes.Count(n.digits[:9], n.digits[:1]) == 9:
		return 0
	case continued(text, n.start, n.ends[k-1]):
		return 0
	}
	return k
}

// cardEnd knows payment card numbers (ISO/IEC 7812): 13 to 19 digits that begin with 2 to 6 and satisfy the Luhn formula, at
// a stretch or in groups with one separator throughout, the first of four digits and the others of three to seven.
func cardEnd(n *number) int {
	if n.plus || n.bracket || n.digits[0] < '2' || n.digits[0] > '6' {
		return 0
	}
	best, total := 0, 0
	for k := 1; k <= n.n && k <= 5; k++ {
		l := n.lens[k-1]
		total += l
		if k > 1 && (n.lens[0] != 4 || l < 3 || l > 7 || !n.alike(k, " -.")) {
			break
		}
		if total >= 13 && total <= maxDigits && luhn(n.digits[:total]) {
			best = k
		}
	}
	return best
}

// luhn checks the check digit of ISO/IEC 7812-1, annex B. A number of equal digits is no number.
func luhn(digits []byte) bool {
	sum := 0
	for i, c := range digits {
		d := int(c - '0')
		if (len(digits)-i)%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0 && bytes.Count(digits, digits[:1]) < len(digits)
}

// longest returns the most groups that ok accepts and no point joins to another digit.
func longest(text []byte, n *number, ok func(k int) bool) int {
	for k := n.n; k > 0; k-- {
		if ok(k) && !continued(text, n.start, n.ends[k-1]) {
			return k
		}
	}
	return 0
}

// phoneEnd knows telephone numbers as they are written in the United States, Canada, Britain, Germany, Israel, India and
// Brazil, and international ones (ITU-T E.164) with + or 00.
func phoneEnd(text []byte, n *number) int {
	d := n.digits[:n.have]
	if n.plus {
		return longest(text, n, func(k int) bool { return e164(d[:n.count(k)]) })
	}
	return longest(text, n, func(k int) bool {
		total := n.count(k)
		switch {
		case total > 4 && d[0] == '0' && d[1] == '0':
			return e164(d[2:total])
		case d[0] == '0':
			return trunk(n, k, total)
		}
		return k == 1 && (nanp(d[:total]) || total == 10 && d[0] >= '6') || k > 1 && national(n, k, d)
	})
}

// e164 checks a number that begins with its country code: the length, which for the countries above is known.
func e164(d []byte) bool {
	for _, c := range []struct {
		code     string
		min, max int
	}{{"1", 11, 11}, {"44", 11, 13}, {"49", 9, 14}, {"55", 12, 13}, {"91", 12, 12}, {"972", 11, 13}} {
		if bytes.HasPrefix(d, []byte(c.code)) {
			return len(d) >= c.min && len(d) <= c.max
		}
	}
	return len(d) >= 8 && len(d) <= 15 && d[0] != '0'
}

// nanp checks a number of the North American plan: area code and exchange begin with 2 to 9.
func nanp(d []byte) bool {
	if len(d) == 11 && d[0] == '1' {
		d = d[1:]
	}
	return len(d) == 10 && d[0] >= '2' && d[3] >= '2'
}

// trunk checks a national number that begins with the trunk prefix 0: nine to twelve digits, in groups of two or more of
// which the last has three.
func trunk(n *number, k, total int) bool {
	if k == 1 {
		return total == 10 || total == 11
	}
	for i, l := range n.lens[:k] {
		if l < 2 || i == k-1 && l < 3 || i > 1 && n.joins[i] != n.joins[2] {
			return false
		}
	}
	return total >= 9 && total <= 12
}

// national checks the groupings of the other national numbers.
func national(n *number, k int, d []byte) bool {
	switch {
	case k == 3 && n.shape(3, 3, 4), k == 2 && n.shape(3, 7): // (202) 555-0147
		return nanp(d[:10])
	case k == 4 && n.shape(1, 3, 3, 4), k == 2 && n.shape(1, 10): // 1-202-555-0147
		return nanp(d[:11])
	case k == 2 && n.shape(5, 5): // 98765 43210
		return d[0] >= '6'
	case k == 3 && n.shape(2, 5, 4): // (11) 98765-4321
		return d[2] == '9'
	}
	return k == 3 && n.shape(2, 4, 4) && n.bracket // (11) 3456-7890
}
