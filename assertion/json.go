package assertion

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxDepth bounds nesting; claims of an identity provider are a few levels deep.
const maxDepth = 32

// object is a JSON object read without encoding/json's leniencies: names match exactly (not "aud" by "AUD"),
// no name occurs twice at any depth, and every byte is UTF-8. Otherwise two programs could read two different
// claims out of one signed text.
type object map[string]json.RawMessage

func parseObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	if !json.Valid(data) {
		return nil, errors.New("not JSON")
	}
	if err := checkNames(data); err != nil {
		return nil, err
	}
	var o object
	if err := json.Unmarshal(data, &o); err != nil || o == nil {
		return nil, errors.New("not a JSON object")
	}
	return o, nil
}

// level is one open object or array while names are checked.
type level struct {
	names map[string]bool // nil for an array
	named bool            // a name was read, its value follows
}

// checkNames refuses a name that occurs twice in one object, and nesting beyond maxDepth.
func checkNames(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var open []level
	for {
		token, err := decoder.Token()
		if err != nil {
			return errors.New("not JSON")
		}
		if n := len(open); n > 0 && open[n-1].names != nil && !open[n-1].named {
			if name, ok := token.(string); ok {
				if open[n-1].names[name] {
					return fmt.Errorf("the name %s occurs twice", quote(name))
				}
				open[n-1].names[name], open[n-1].named = true, true
				continue
			}
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{names: map[string]bool{}})
		case json.Delim('['):
			open = append(open, level{})
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
		if len(open) > maxDepth {
			return errors.New("nested too deeply")
		}
		if token == json.Delim('{') || token == json.Delim('[') {
			continue
		}
		if len(open) == 0 {
			return nil // the one value has ended; json.Valid has seen that nothing follows
		}
		open[len(open)-1].named = false
	}
}

// fields reads typed members of an object and remembers the first that is wrong. A member that is null counts
// as absent.
type fields struct {
	object
	err error
}

func (f *fields) fail(name, want string) {
	if f.err == nil {
		f.err = fmt.Errorf("%s is not %s", quote(name), want)
	}
}

func (f *fields) has(name string) bool {
	raw, ok := f.object[name]
	return ok && string(raw) != "null"
}

// read decodes a member into a Go value of a type that has no struct in it, so that names stay exact.
func (f *fields) read(name, want string, into any) {
	if f.has(name) {
		if err := json.Unmarshal(f.object[name], into); err != nil {
			f.fail(name, want)
		}
	}
}

func (f *fields) text(name string) (s string) {
	f.read(name, "a string", &s)
	return s
}

// nonEmptyText is for members that say who somebody is: they are absent, or they say something.
func (f *fields) nonEmptyText(name string) string {
	s := f.text(name)
	if s == "" && f.has(name) {
		f.fail(name, "a string with something in it")
	}
	return s
}

func (f *fields) truth(name string) (b bool) {
	f.read(name, "true or false", &b)
	return b
}

func (f *fields) texts(name string) []string {
	var list []*string
	f.read(name, "a list of strings", &list)
	return f.present(name, list)
}

func (f *fields) textLists(name string) map[string][]string {
	var lists map[string][]*string
	f.read(name, "an object of lists of strings", &lists)
	if lists == nil {
		return nil
	}
	all := make(map[string][]string, len(lists))
	for key, list := range lists {
		all[key] = f.present(name, list)
	}
	return all
}

// present refuses null among the strings of a list, which encoding/json would turn into "".
func (f *fields) present(name string, list []*string) []string {
	if list == nil {
		return nil
	}
	all := make([]string, len(list))
	for i, s := range list {
		if s == nil {
			f.fail(name, "a list of strings")
			return nil
		}
		all[i] = *s
	}
	return all
}

// latest is the last second of year 9999: far beyond any claim, and far from overflow in the sums we make.
const latest = 253402300799

// seconds reads a time as IAP writes it: whole seconds since 1970.
func (f *fields) seconds(name string) time.Time {
	if !f.has(name) {
		return time.Time{}
	}
	n, err := strconv.ParseInt(string(f.object[name]), 10, 64)
	if err != nil || n < 0 || n > latest {
		f.fail(name, "a time in whole seconds")
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// child returns the member as an object; nil when it is absent.
func (f *fields) child(name string) *fields {
	if !f.has(name) {
		return nil
	}
	var o object
	if err := json.Unmarshal(f.object[name], &o); err != nil || o == nil {
		f.fail(name, "an object")
		return nil
	}
	return &fields{object: o}
}

// join makes the first fault of a child the parent's.
func (f *fields) join(child *fields) {
	if f.err == nil && child.err != nil {
		f.err = child.err
	}
}

// quote returns s for an error message: escaped and of bounded length.
func quote(s string) string {
	const most = 120
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
