package session

import "strings"

// maxTwins bounds how many cookies of one name are opened for one request. A browser sends one, as a __Host-
// cookie can exist only once for a host; more come from other programs, or from browsers that predate the prefix.
const maxTwins = 4

// cookieValues copies the values of the cookies called name into found, in the order in which they were sent,
// and returns how many there are, which may be more than found holds. It reads Cookie header lines as
// net/http does (pairs parted by semicolons, white space around pair and name dropped, case significant), but
// builds no list of all cookies, and leaves quotes on: we never set any.
func cookieValues(lines []string, name string, found *[maxTwins]string) int {
	count := 0
	for _, line := range lines {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			this, value, _ := strings.Cut(trim(pair), "=")
			if trim(this) != name {
				continue
			}
			if count < maxTwins {
				found[count] = value
			}
			count++
		}
	}
	return count
}

// trim drops what net/textproto takes for white space. (strings.Trim is slower for a set of several.)
func trim(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
