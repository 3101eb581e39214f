package assertion

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

const (
	// maxDepth bounds nesting; claims of an identity provider are a few levels deep.
	maxDepth = 32
	// fewNames is up to where looking through a list is faster than a map.
	fewNames = 16
)

// object is a JSON object read without encoding/json's leniencies: names match exactly (not "aud" by "AUD"),
// no name occurs twice at any depth, and every byte is UTF-8. Otherwise two programs could read two different
// claims out of one signed text. The members stand in the order of the text.
type object []member

type member struct {
	name  []byte // as it is meant, without escapes
	value json.RawMessage
}

func (o object) get(name string) json.RawMessage {
	for i := range o {
		if string(o[i].name) == name {
			return o[i].value
		}
	}
	return nil
}

// index holds the names, for when they are so many that going through all of them for each would cost the square
// of what somebody wrote.
func (o object) index() map[string]bool {
	index := make(map[string]bool, 2*len(o))
	for i := range o {
		index[string(o[i].name)] = true
	}
	return index
}

// parseObject reads what anybody may have written. Whether it is JSON is for encoding/json to say; what that
// would let pass is found by one walk: its decoders would need a fifth of the time of the signature check for that.
func parseObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	if !json.Valid(data) {
		return nil, errors.New("not JSON")
	}
	return readObject(data)
}

// readObject reads text that parseObject has found valid, or a value inside of it.
func readObject(data []byte) (object, error) {
	w := &walker{text: data}
	value, o, err := w.value()
	switch {
	case err != nil:
		return nil, err
	case value[0] != '{':
		return nil, errors.New("not a JSON object")
	}
	return o, nil
}

// walker goes through valid JSON. It looks for where values end, not whether they are well formed: on any other
// text it would read beyond the end.
type walker struct {
	text  []byte
	at    int
	depth int
}

// value returns the next value, and its members if it is an object.
func (w *walker) value() (raw json.RawMessage, o object, err error) {
	first := w.next()
	start := w.at
	switch first {
	case '{':
		o, err = w.object()
	case '[':
		err = w.array(nil)
	case '"':
		w.quoted()
	default: // a number, true, false or null
		for w.at < len(w.text) && !endsLiteral(w.text[w.at]) {
			w.at++
		}
	}
	return w.text[start:w.at:w.at], o, err
}

func (w *walker) object() (o object, err error) {
	if err := w.open(); err != nil {
		return nil, err
	}
	if w.depth == 1 {
		o = make(object, 0, fewNames)
	}
	var index map[string]bool
	for c := w.next(); c != '}'; c = w.next() {
		if c == ',' {
			w.at++
			continue
		}
		name, err := w.name()
		if err != nil {
			return nil, err
		}
		w.next()
		w.at++ // the colon
		value, _, err := w.value()
		if err != nil {
			return nil, err
		}
		if len(o) == fewNames {
			index = o.index()
		}
		if index[string(name)] || index == nil && o.get(string(name)) != nil {
			return nil, fmt.Errorf("the name %s occurs twice", quote(string(name)))
		}
		if index != nil {
			index[string(name)] = true
		}
		o = append(o, member{name, value})
	}
	w.close()
	return o, nil
}

// array calls each, unless it is nil, for every element.
func (w *walker) array(each func(json.RawMessage)) error {
	if err := w.open(); err != nil {
		return err
	}
	for c := w.next(); c != ']'; c = w.next() {
		if c == ',' {
			w.at++
			continue
		}
		value, _, err := w.value()
		if err != nil {
			return err
		}
		if each != nil {
			each(value)
		}
	}
	w.close()
	return nil
}

func (w *walker) open() error {
	w.at++
	w.depth++
	if w.depth > maxDepth {
		return errors.New("nested too deeply")
	}
	return nil
}

func (w *walker) close() {
	w.at++
	w.depth--
}

// name returns the next name as it is meant: two spellings of one name are one name.
func (w *walker) name() ([]byte, error) {
	start := w.at
	w.quoted()
	raw := w.text[start:w.at]
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	name, err := unquote(raw)
	return []byte(name), err
}

// quoted moves behind a string.
func (w *walker) quoted() {
	for w.at++; w.text[w.at] != '"'; w.at++ {
		if w.text[w.at] == '\\' {
			w.at++
		}
	}
	w.at++
}

// next moves to the next byte that is no white space, and returns it.
func (w *walker) next() byte {
	for isSpace(w.text[w.at]) {
		w.at++
	}
	return w.text[w.at]
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func endsLiteral(c byte) bool { return c == ',' || c == '}' || c == ']' || isSpace(c) }
