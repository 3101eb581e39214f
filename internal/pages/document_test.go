package pages_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// element is a parsed page, or one element of it, with the few questions that tests ask.
type element struct{ node *html.Node }

func read(t *testing.T, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func parse(t *testing.T, response *http.Response) element {
	t.Helper()
	if contentType := response.Header.Get("Content-Type"); contentType != "text/html; charset=utf-8" {
		t.Fatalf("Content-Type = %q, want an HTML page", contentType)
	}
	node, err := html.Parse(strings.NewReader(read(t, response)))
	if err != nil {
		t.Fatal(err)
	}
	return element{node}
}

func (e element) all(tag string) []element {
	var found []element
	for node := range e.node.Descendants() {
		if node.Type == html.ElementNode && node.Data == tag {
			found = append(found, element{node})
		}
	}
	return found
}

func (e element) where(tag, attribute, value string) []element {
	var found []element
	for _, candidate := range e.all(tag) {
		if candidate.attr(attribute) == value {
			found = append(found, candidate)
		}
	}
	return found
}

func (e element) one(t *testing.T, tag string) element {
	t.Helper()
	found := e.all(tag)
	if len(found) != 1 {
		t.Fatalf("%d <%s> elements, want exactly one", len(found), tag)
	}
	return found[0]
}

func (e element) attr(name string) string {
	value, _ := e.lookup(name)
	return value
}

func (e element) lookup(name string) (string, bool) {
	for _, attribute := range e.node.Attr {
		if attribute.Key == name {
			return attribute.Val, true
		}
	}
	return "", false
}

// text is what the element says, as one line.
func (e element) text() string {
	var said strings.Builder
	for node := range e.node.Descendants() {
		if node.Type == html.TextNode {
			said.WriteString(node.Data)
			said.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(said.String()), " ")
}

// headingsInOrder checks that headings start at h1 and skip no level.
func (e element) headingsInOrder(t *testing.T) {
	t.Helper()
	last := byte('0')
	for node := range e.node.Descendants() {
		if node.Type == html.ElementNode && len(node.Data) == 2 && node.Data[0] == 'h' && node.Data[1] >= '1' && node.Data[1] <= '6' {
			if node.Data[1] > last+1 {
				t.Errorf("<%s> follows h%c", node.Data, last)
			}
			last = node.Data[1]
		}
	}
}

// uniqueIDs checks that no id is used twice, and that what aria attributes point to exists.
func (e element) uniqueIDs(t *testing.T) {
	t.Helper()
	seen := make(map[string]int)
	var pointed []string
	for node := range e.node.Descendants() {
		here := element{node}
		if id, found := here.lookup("id"); found {
			seen[id]++
		}
		for _, reference := range []string{"aria-describedby", "aria-labelledby", "for"} {
			if id, found := here.lookup(reference); found {
				pointed = append(pointed, id)
			}
		}
	}
	for id, count := range seen {
		if count > 1 {
			t.Errorf("id %q is used %d times", id, count)
		}
	}
	for _, id := range pointed {
		if seen[id] == 0 {
			t.Errorf("an attribute points to id %q, which the page lacks", id)
		}
	}
}
