package settings

import (
	"bytes"
	"encoding/json"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// jsonReader reads a JSON text as the nodes that YAML has for it. JSON is YAML but for a few escapes, which the YAML
// reader does not know and client libraries write.
type jsonReader struct {
	data    []byte
	decoder *json.Decoder
	at      int // how far the lines are counted
	line    int
	start   int // of the line
}

// jsonNode reads a text that is valid JSON.
func jsonNode(data []byte) (*yaml.Node, error) {
	r := jsonReader{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), line: 1}
	r.decoder.UseNumber()
	return r.next()
}

func (r *jsonReader) next() (*yaml.Node, error) {
	token, err := r.decoder.Token()
	if err != nil {
		return nil, err
	}
	node := &yaml.Node{Kind: yaml.ScalarNode}
	node.Line, node.Column = r.place()
	switch v := token.(type) {
	case json.Delim:
		node.Kind, node.Tag = yaml.MappingNode, "!!map"
		if v == '[' {
			node.Kind, node.Tag = yaml.SequenceNode, "!!seq"
		}
		for r.decoder.More() {
			item, err := r.next()
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, item)
		}
		_, err = r.decoder.Token()
	case string:
		node.Tag, node.Value = "!!str", v
	case json.Number:
		node.Tag, node.Value = "!!float", v.String()
		if _, err := strconv.ParseInt(node.Value, 10, 64); err == nil {
			node.Tag = "!!int"
		}
	case bool:
		node.Tag, node.Value = "!!bool", strconv.FormatBool(v)
	default:
		node.Tag, node.Value = "!!null", "null"
	}
	return node, err
}

// place is where the token ends that was just read.
func (r *jsonReader) place() (line, column int) {
	end := int(r.decoder.InputOffset())
	for ; r.at < end; r.at++ {
		if r.data[r.at] == '\n' {
			r.line, r.start = r.line+1, r.at+1
		}
	}
	return r.line, end - r.start
}
