package assertion

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

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

// present tells a member that is there from one that is not, or is null.
func present(raw json.RawMessage) bool { return raw != nil && string(raw) != "null" }

func (f *fields) has(name string) bool {
	return present(f.get(name))
}

// read decodes a member into a Go value of a type that has no struct in it, so that names stay exact.
func (f *fields) read(name, want string, into any) {
	if raw := f.get(name); present(raw) {
		if err := json.Unmarshal(raw, into); err != nil {
			f.fail(name, want)
		}
	}
}

func (f *fields) text(name string) string {
	raw := f.get(name)
	if !present(raw) {
		return ""
	}
	s, err := unquote(raw)
	if err != nil {
		f.fail(name, "a string")
	}
	return s
}

// unquote reads a valid JSON value that should be a string. Without a backslash it stands there as it is meant.
func unquote(raw json.RawMessage) (s string, err error) {
	if raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", errors.New("not a string")
	}
	return s, nil
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
	return f.list(name, f.get(name))
}

func (f *fields) textLists(name string) map[string][]string {
	lists := f.child(name)
	if lists == nil {
		return nil
	}
	all := make(map[string][]string, len(lists.object))
	for _, m := range lists.object {
		all[string(m.name)] = f.list(name, m.value)
	}
	return all
}

// list reads a value that belongs to the named member.
func (f *fields) list(name string, raw json.RawMessage) []string {
	if !present(raw) {
		return nil
	}
	if raw[0] != '[' {
		f.fail(name, "a list of strings")
		return nil
	}
	all := []string{}
	w := &walker{text: raw}
	err := w.array(func(element json.RawMessage) {
		s, err := unquote(element)
		if err != nil || !present(element) { // encoding/json reads null as ""
			f.fail(name, "a list of strings")
		}
		all = append(all, s)
	})
	if err != nil {
		f.fail(name, "a list of strings")
	}
	return all
}

// latest is the last second of year 9999: far beyond any claim, and far from overflow in the sums we make.
const latest = 253402300799

// seconds reads a time as IAP writes it: whole seconds since 1970.
func (f *fields) seconds(name string) time.Time {
	raw := f.get(name)
	if !present(raw) {
		return time.Time{}
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 || n > latest {
		f.fail(name, "a time in whole seconds")
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// child returns the member as an object; nil when it is absent.
func (f *fields) child(name string) *fields {
	raw := f.get(name)
	if !present(raw) {
		return nil
	}
	o, err := readObject(raw)
	if err != nil {
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
