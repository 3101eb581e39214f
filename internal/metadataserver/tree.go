package metadataserver

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// root is where the values stand.
const root = "/computeMetadata/v1/"

// Attributes are the values that whoever runs a project or machine has set.
type Attributes struct {
	Project, Instance map[string]string
}

var attributeKey = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)

// maxValue is as long as a value may be, as at Google.
const maxValue = 256 << 10

// ErrAttribute reports an attribute that cannot be set.
var ErrAttribute = errors.New("invalid attribute")

func (a Attributes) check() error {
	for _, values := range []map[string]string{a.Project, a.Instance} {
		for key, value := range values {
			if !attributeKey.MatchString(key) {
				return fmt.Errorf("%w: the key %q must be 1 to 128 letters, digits, hyphens and underscores", ErrAttribute, key)
			}
			if len(value) > maxValue {
				return fmt.Errorf("%w: the value of %q is longer than %d bytes", ErrAttribute, key, maxValue)
			}
		}
	}
	return nil
}

// node is a value or, when it has children, a directory.
type node struct {
	name     string
	children []*node // of a directory, in the order of listings; never nil there
	verbatim bool    // the names of children are data, and stay as they are in JSON
	list     bool    // the children are elements of a JSON array
	text     string  // of a value
	json     any     // of a value
	// mint marks the values that are made when they are asked for, and that no recursive answer holds.
	mint minted
}

// minted says what is made when it is asked for.
type minted int

const (
	stored minted = iota
	identityToken
	accessToken
)

func (n *node) directory() bool { return n.children != nil }

func value(name, text string) *node { return &node{name: name, text: text, json: text} }

func number(name string, n uint64) *node {
	return &node{name: name, text: strconv.FormatUint(n, 10), json: n}
}

// lines is a list of words, which as text has one in each line.
func lines(name string, words ...string) *node {
	return &node{name: name, text: strings.Join(words, "\n") + "\n", json: words}
}

func directory(name string, children ...*node) *node {
	if children == nil {
		children = []*node{}
	}
	return &node{name: name, children: children}
}

func attributes(values map[string]string) *node {
	d := directory("attributes")
	d.verbatim = true
	for _, key := range slices.Sorted(maps.Keys(values)) {
		d.children = append(d.children, value(key, values[key]))
	}
	return d
}

// tree lists everything below root.
func (o Options) tree(a Attributes) *node {
	project := strconv.FormatInt(o.ProjectNumber, 10)
	zone := value("zone", "projects/"+project+"/zones/"+o.Zone)
	instance := directory("instance", attributes(a.Instance))
	if o.Instance != "" {
		nic := directory("network-interfaces", directory("0", value("ip", "127.0.0.1")))
		nic.list = true
		instance.children = append(instance.children,
			value("cpu-platform", "Unknown CPU Platform"),
			value("hostname", o.Instance+"."+o.Zone+".c."+o.ProjectID+".internal"),
			number("id", instanceID(o.ProjectID, o.Zone, o.Instance)),
			value("machine-type", "projects/"+project+"/machineTypes/e2-medium"),
			value("name", o.Instance), nic,
			// Cloud Run has the region too.
			value("region", "projects/"+project+"/regions/"+region(o.Zone)),
		)
	}
	instance.children = append(instance.children, o.serviceAccounts())
	if o.Instance != "" {
		instance.children = append(instance.children, &node{name: "tags", text: "[]", json: []string{}})
	}
	instance.children = append(instance.children, zone)
	return directory("", instance, directory("project",
		attributes(a.Project),
		number("numeric-project-id", uint64(o.ProjectNumber)),
		value("project-id", o.ProjectID),
	))
}

func (o Options) serviceAccounts() *node {
	d := directory("service-accounts")
	d.verbatim = true
	if o.Account == nil {
		return d
	}
	for _, name := range []string{o.Account.Email, "default"} {
		account := directory(name, lines("aliases", "default"), value("email", o.Account.Email))
		if o.Minter != nil {
			account.children = append(account.children, &node{name: "identity", mint: identityToken})
		}
		account.children = append(account.children, lines("scopes", o.Account.Scopes...))
		if o.Minter != nil {
			account.children = append(account.children, &node{name: "token", mint: accessToken})
		}
		d.children = append(d.children, account)
	}
	return d
}

// region is the zone without its last letter.
func region(zone string) string {
	if i := strings.LastIndexByte(zone, '-'); i > 0 {
		return zone[:i]
	}
	return zone
}

// InstanceID is the number of a machine: the same at each start, as that of a machine that is stopped and started.
func (s *Server) InstanceID() uint64 {
	return instanceID(s.options.ProjectID, s.options.Zone, s.options.Instance)
}

func instanceID(parts ...string) uint64 {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(strings.Join(parts, "/"))) // never fails
	return sum.Sum64()>>1 | 1<<62                      // 19 digits, as Google's have
}

// find walks from root to a path, which a directory may end in a slash or not. It returns nil where there is nothing.
func (n *node) find(path string) *node {
	path = strings.TrimSuffix(path, "/")
	for path != "" {
		var name string
		name, path, _ = strings.Cut(path, "/")
		i := slices.IndexFunc(n.children, func(c *node) bool { return c.name == name })
		if i < 0 {
			return nil
		}
		n = n.children[i]
		if path == "" {
			break
		}
	}
	return n
}

// listing names the children, directories with a slash.
func (n *node) listing() []string {
	names := make([]string, 0, len(n.children))
	for _, c := range n.children {
		name := c.name
		if c.directory() {
			name += "/"
		}
		names = append(names, name)
	}
	return names
}

// tree returns everything below a node as JSON has it.
func (n *node) tree() any {
	if !n.directory() {
		return n.json
	}
	if n.list {
		elements := make([]any, 0, len(n.children))
		for _, c := range n.children {
			elements = append(elements, c.tree())
		}
		return elements
	}
	members := make(map[string]any, len(n.children))
	for _, c := range n.children {
		if c.mint != stored {
			continue
		}
		name := c.name
		if !n.verbatim {
			name = camelCase(name)
		}
		members[name] = c.tree()
	}
	return members
}

// appendLines writes everything below a node as text: a path and a value in each line.
func (n *node) appendLines(b []byte, prefix string) []byte {
	for _, c := range n.children {
		switch {
		case c.directory():
			b = c.appendLines(b, prefix+c.name+"/")
		case c.mint == stored:
			for line := range strings.Lines(c.text) {
				b = append(append(append(b, prefix...), c.name...), ' ')
				b = append(append(b, strings.TrimSuffix(line, "\n")...), '\n')
			}
		}
	}
	return b
}

// camelCase is how JSON spells the name of a value: project-id is projectId.
func camelCase(name string) string {
	words := strings.Split(name, "-")
	for i, word := range words[1:] {
		if word != "" {
			words[i+1] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}
