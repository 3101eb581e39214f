package pages

import (
	"errors"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// tryOut renders a page with sample data and says what would not work in a browser.
func tryOut(t *template.Template, p page, s sample, builtIn assets) (faults []error) {
	body := newBounded()
	if err := t.Execute(body, newView(builtIn, p, s.data)); err != nil {
		return []error{err}
	}
	document, err := html.Parse(&body.Buffer)
	if err != nil {
		return []error{err}
	}
	for node := range document.Descendants() {
		if node.Type == html.ElementNode {
			faults = append(faults, whatIsBlocked(node)...)
		}
	}
	for _, n := range s.needs {
		if !n.met(document) {
			faults = append(faults, fmt.Errorf("with sample data it lacks %s", n))
		}
	}
	return faults
}

// whatIsBlocked says what the policy of the pages keeps from working in an element.
func whatIsBlocked(node *html.Node) (faults []error) {
	for _, attribute := range node.Attr {
		value := strings.TrimSpace(attribute.Val)
		switch key := attribute.Key; {
		case strings.HasPrefix(key, "on"):
			faults = append(faults, fmt.Errorf("<%s %s> is an inline script, which the Content-Security-Policy blocks", node.Data, key))
		case key == "style":
			faults = append(faults, fmt.Errorf("<%s style> is an inline style, which the Content-Security-Policy blocks: use a class and a style sheet below static", node.Data))
		case key == "src", key == "href" && node.Data == "link":
			if !strings.HasPrefix(value, StaticPrefix) {
				faults = append(faults, fmt.Errorf("<%s %s=%q> is not loaded: put the file below static and write {{asset %q}}", node.Data, key, value, "NAME"))
			}
		case key == "action" && !strings.HasPrefix(value, "/sign"):
			faults = append(faults, fmt.Errorf("<form action=%q> is blocked: forms go to the address that the built-in page has", value))
		case key == "href" && strings.HasPrefix(strings.ToLower(value), "javascript:"):
			faults = append(faults, errors.New("a javascript: link is blocked"))
		}
	}
	switch node.Data {
	case "style":
		faults = append(faults, errors.New("<style> is inline, which the Content-Security-Policy blocks: put it into a style sheet below static"))
	case "script":
		if !slices.ContainsFunc(node.Attr, func(a html.Attribute) bool { return a.Key == "src" }) {
			faults = append(faults, errors.New("<script> is inline, which the Content-Security-Policy blocks"))
		}
	case "iframe", "object", "embed", "base", "audio", "video":
		faults = append(faults, fmt.Errorf("<%s> is blocked by the Content-Security-Policy", node.Data))
	}
	return faults
}

func (n need) met(document *html.Node) bool {
	if n.tag == "" {
		return strings.Contains(shown(document), n.value)
	}
	for node := range document.Descendants() {
		if node.Type != html.ElementNode || node.Data != n.tag {
			continue
		}
		for _, attribute := range node.Attr {
			if attribute.Key == n.attribute && (n.value == "" || attribute.Val == n.value) {
				return true
			}
		}
	}
	// With scripting on, a parser keeps what is inside <noscript> as text.
	return strings.Contains(noscript(document), "<"+n.tag+" "+n.attribute+`="`+n.value+`"`)
}

func (n need) String() string {
	switch {
	case n.tag == "":
		return fmt.Sprintf("the text %q", n.value)
	case n.value == "":
		return fmt.Sprintf("<%s %s>", n.tag, n.attribute)
	}
	return fmt.Sprintf("<%s %s=%q>", n.tag, n.attribute, n.value)
}

// shown is the text of a page, one space between words.
func shown(document *html.Node) string {
	var b strings.Builder
	for node := range document.Descendants() {
		if node.Type == html.TextNode {
			b.WriteString(node.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func noscript(document *html.Node) string {
	var b strings.Builder
	for node := range document.Descendants() {
		if node.Type == html.TextNode && node.Parent.Data == "noscript" {
			b.WriteString(node.Data)
		}
	}
	return b.String()
}
