package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The comments on the fields below are the reference for users (docs/reference/manifests.md).

// PublicPath is a part of a service that everybody may use for some methods. The application is told nobody's name
// there, not even of people who are signed in.
type PublicPath struct {
	// One path, to the letter. Either this or prefix is given.
	Path string `json:"path,omitempty"`
	// A path and all below it, bounded at slashes: /hooks stands for /hooks and /hooks/x, not for /hooks-internal.
	Prefix string `json:"prefix,omitempty"`
	// The methods, such as [GET, HEAD]. There is no standard and no wildcard.
	Methods []string `json:"methods"`
}

// maxPublicPaths bounds what a request is compared with.
const maxPublicPaths = 64

func (s Service) validatePublicPaths() error {
	if len(s.PublicPaths) > maxPublicPaths {
		return fmt.Errorf("publicPaths has %d entries; at most %d are compared with every request", len(s.PublicPaths), maxPublicPaths)
	}
	for i, p := range s.PublicPaths {
		if err := p.validate(); err != nil {
			return fmt.Errorf("publicPaths[%d]: %w", i, err)
		}
		if !s.hasPath(p.Path + p.Prefix) {
			return fmt.Errorf("publicPaths[%d]: %q lies outside the service's pathPrefixes %q, so no request for it comes here", i, p.Path+p.Prefix, s.PathPrefixes)
		}
	}
	return nil
}

func (p PublicPath) validate() error {
	path := p.Path + p.Prefix
	switch {
	case (p.Path == "") == (p.Prefix == ""):
		return errors.New("give either path, for one path, or prefix, for a path and all below it")
	case !isPlainRule(path):
		return fmt.Errorf("%q must start with /, hold only printable ASCII without ? # ; %% \\ and //, and neither . nor .. as a segment", path)
	case strings.Trim(p.Prefix, "/") == "" && p.Prefix != "":
		return errors.New("the prefix / would open the whole service: write iap: {enabled: false} if that is meant")
	case strings.HasPrefix(path, "/_gcp_iap") || strings.HasPrefix(path, "/_gcp_gatekeeper"):
		return fmt.Errorf("%q is answered by the gate itself", path)
	case len(p.Methods) == 0:
		return errors.New("methods must be listed, such as methods: [GET, HEAD]")
	}
	for i, method := range p.Methods {
		if !isMethod(method) {
			return fmt.Errorf("%q is not a method: write them in capitals, such as [GET, HEAD]", method)
		}
		if slices.Contains(p.Methods[:i], method) {
			return fmt.Errorf("method %s is listed twice", method)
		}
	}
	return nil
}

// isPlainRule reports whether a path has one form only, so that what a rule says is what is meant.
func isPlainRule(path string) bool {
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#;%\\") || strings.Contains(path, "//") {
		return false
	}
	for i := range len(path) {
		if path[i] <= ' ' || path[i] >= 0x7f {
			return false
		}
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

func isMethod(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return s != "" && s != "CONNECT" && s != "TRACE" && len(s) <= 32
}

// hasPath reports whether the service's part of its hosts holds a path.
func (s Service) hasPath(path string) bool {
	if len(s.PathPrefixes) == 0 {
		return true
	}
	return slices.ContainsFunc(s.PathPrefixes, func(prefix string) bool { return under(path, strings.TrimSuffix(prefix, "/")) })
}

// under reports whether a path is a prefix or lies below it, at a segment border. The prefix has no slash at its end.
func under(path, prefix string) bool {
	rest, found := strings.CutPrefix(path, prefix)
	return found && (prefix == "" || rest == "" || rest[0] == '/')
}

// PublicPaths are the public paths of one service, compiled. Nil has none.
type PublicPaths struct{ rules []publicRule }

type publicRule struct {
	path    string // without slash at the end where it is a prefix
	prefix  bool
	methods []string
}

// CompilePublicPaths compiles the public paths of a valid service.
func (s Service) CompilePublicPaths() *PublicPaths {
	if len(s.PublicPaths) == 0 {
		return nil
	}
	p := &PublicPaths{}
	for _, declared := range s.PublicPaths {
		rule := publicRule{path: declared.Path, methods: declared.Methods}
		if declared.Prefix != "" {
			rule.path, rule.prefix = strings.TrimSuffix(declared.Prefix, "/"), true
		}
		p.rules = append(p.rules, rule)
	}
	return p
}

// Match reports whether one public path holds all three forms of a target, for a method. A target whose forms say
// different things is not public; what becomes of it then is for the rest of the decision to say.
func (p *PublicPaths) Match(method string, t Target) bool {
	if p == nil {
		return false
	}
	for i := range p.rules {
		rule := &p.rules[i]
		if slices.Contains(rule.methods, method) && rule.holds(t.Raw) && rule.holds(t.Normalized) && rule.holds(t.Decoded) {
			return true
		}
	}
	return false
}

func (r *publicRule) holds(path string) bool {
	return path == r.path || r.prefix && under(path, r.path)
}
