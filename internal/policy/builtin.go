package policy

import "bytes"

// detector finds one kind of text.
type detector struct {
	name        string
	placeholder string
	// reach is how many bytes after a place must be known to tell whether a match goes over it, when that place is a border
	// (see border).
	reach int
	// find appends the matches in text that start at from or after it, in order and without overlap. What stands before
	// from is context.
	find func(dst []match, text []byte, from int) []match
}

// match is what a detector found: the bytes from start to end of a text.
type match struct {
	start, end int
	rule       int // index of the detector
}

// builtin returns the detector that a configuration names. It knows the forms below and no context: a number of the right
// form counts, whatever it stands for.
func builtin(name string) (detector, bool) {
	switch name {
	case "SSN":
		return detector{name: name, placeholder: "<US_SSN>", reach: numberReach, find: ssn.find}, true
	case "CREDIT_CARD":
		return detector{name: name, placeholder: "<CREDIT_CARD>", reach: numberReach, find: card.find}, true
	case "PHONE_NUMBER":
		return detector{name: name, placeholder: "<PHONE_NUMBER>", reach: numberReach, find: phone.find}, true
	case "EMAIL":
		return detector{name: name, placeholder: "<EMAIL_ADDRESS>", find: findEmails}, true
	}
	return detector{}, false
}

// Bounds of the parts of an address (RFC 5321, section 4.5.3.1).
const (
	maxLocal  = 64
	maxDomain = 255
)

// findEmails finds addresses in ASCII letters whose domain ends in a name of two letters or more.
func findEmails(dst []match, text []byte, from int) []match {
	for i := from; ; {
		n := bytes.IndexByte(text[i:], '@')
		if n < 0 {
			return dst
		}
		at := i + n
		start := at
		for start > i && at-start < maxLocal && isLocal(text[start-1]) {
			start--
		}
		for start < at && text[start] == '.' {
			start++
		}
		end := domainEnd(text, at+1)
		if i = at + 1; start < at && text[at-1] != '.' && end > 0 {
			dst = append(dst, match{start: start, end: end})
			i = end
		}
	}
}

// domainEnd returns the end of the longest domain at i that ends in a top-level domain, 0 when there is none.
func domainEnd(text []byte, i int) int {
	end, label, letters, labels := 0, i, true, 0
	limit := min(len(text), i+maxDomain)
	for ; i <= limit; i++ {
		if i < limit && isAlpha(text[i]) {
			continue
		}
		if letters && i-label >= 2 && labels > 0 {
			end = i // of "com" in "com-based", too
		}
		if i < limit && (isDigit(text[i]) || text[i] == '-') {
			letters = false
			continue
		}
		if i == label {
			break
		}
		if labels++; i == limit || text[i] != '.' {
			break
		}
		label, letters = i+1, true
	}
	return end
}

// isLocal tells the characters of a local part that are in use (RFC 5322, atext, without those that quote or enclose).
func isLocal(c byte) bool {
	return isAlnum(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isAlpha(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isAlnum(c byte) bool { return isDigit(c) || isAlpha(c) }
