package manifest

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// place is where a document is written. It is admin.Locator.
type place struct {
	file   string
	order  int // of the input
	offset int // lines before the part of the file that was read
	root   *yaml.Node
	bare   bool // a policy without an envelope: what is below spec elsewhere is at the top
}

// Locate returns FILE:LINE:COLUMN of a field, or of what is nearest above it.
func (p *place) Locate(path string) string {
	line, column := p.find(path)
	return fmt.Sprintf("%s:%d:%d", p.file, line, column)
}

func (p *place) find(path string) (line, column int) {
	node := p.root
	if p.bare {
		path = strings.TrimPrefix(strings.TrimPrefix(path, "spec"), ".")
	}
	for path != "" {
		var next *yaml.Node
		if rest, indexed := strings.CutPrefix(path, "["); indexed {
			number, after, _ := strings.Cut(rest, "]")
			if i, err := strconv.Atoi(number); err == nil && node.Kind == yaml.SequenceNode && i < len(node.Content) {
				next = node.Content[i]
			}
			path = strings.TrimPrefix(after, ".")
		} else {
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			next = valueOf(node, path[:end])
			path = strings.TrimPrefix(path[end:], ".")
		}
		if next == nil {
			break
		}
		node = next
	}
	return p.offset + max(node.Line, 1), max(node.Column, 1)
}

// value returns a field at the top of the document; nil when it is not there.
func (p *place) value(key string) *yaml.Node { return valueOf(p.root, key) }

func valueOf(node *yaml.Node, key string) *yaml.Node {
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	for i := 0; i+1 < len(node.Content); i += 2 { // Google's messages may be written in snake_case
		if strings.EqualFold(strings.ReplaceAll(node.Content[i].Value, "_", ""), key) && strings.Contains(node.Content[i].Value, "_") {
			return node.Content[i+1]
		}
	}
	return nil
}
