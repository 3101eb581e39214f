package reverseproxy

// prefixes are beginnings of header names, folded as CGI and WSGI fold names.
type prefixes struct {
	all    []string
	starts [256]bool // the bytes that a name with one of them may begin with
}

func prefixesOf(all ...string) *prefixes {
	p := &prefixes{all: all}
	for c := range p.starts {
		for _, prefix := range all {
			p.starts[c] = p.starts[c] || fold(byte(c)) == prefix[0]
		}
	}
	return p
}

// and returns these and some more.
func (p *prefixes) and(more ...string) *prefixes {
	return prefixesOf(append(more, p.all...)...)
}

// begin reports whether a header name begins with one of them.
func (p *prefixes) begin(name string) bool {
	if name == "" || !p.starts[name[0]] {
		return false
	}
	for _, prefix := range p.all {
		if foldedHasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// isExact reports whether a header name folds to one that the settings hand an attribute on in.
func isExact(name string, exact []string) bool {
	for _, one := range exact {
		if len(name) == len(one) && foldedEqual(name, one) {
			return true
		}
	}
	return false
}

func foldedEqual(a, b string) bool {
	for i := range len(a) {
		if fold(a[i]) != fold(b[i]) {
			return false
		}
	}
	return true
}

func foldedHasPrefix(name, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if fold(name[i]) != prefix[i] {
			return false
		}
	}
	return true
}

// fold maps every byte as CGI does: letters to one case, all but letters and digits to _.
func fold(c byte) byte {
	switch {
	case c >= 'A' && c <= 'Z':
		return c + 'a' - 'A'
	case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
		return c
	}
	return '_'
}
