package manifest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
)

// parser reads one input.
type parser struct {
	input     Input
	order     int
	options   Options
	documents []Document
	faults    []placed
}

// placed is a fault with where it stands, to put faults in order.
type placed struct {
	admin.Fault
	order, line, column int
}

// Parse reads the documents of inputs and checks them by themselves and together. Its error is admin.Faults, with
// all that is wrong, in the order of the inputs.
func Parse(inputs []Input, o Options) ([]Document, error) {
	var documents []Document
	var faults []placed
	for i, in := range inputs {
		p := parser{input: in, order: i, options: o}
		p.parse()
		for _, f := range p.faults {
			if f.Document >= 0 {
				f.Document += len(documents)
			}
			faults = append(faults, f)
		}
		documents = append(documents, p.documents...)
	}
	var meanings admin.Faults
	if err := admin.CheckDocuments(documents, o.Project); err != nil && !errors.As(err, &meanings) {
		return nil, err
	}
	forms := map[int][]string{} // the fields of each document that could not be read
	for _, f := range faults {
		forms[f.Document] = append(forms[f.Document], f.Path)
	}
	for _, f := range meanings {
		if f.Document < 0 {
			faults = append(faults, placed{Fault: f})
			continue
		}
		at, _ := documents[f.Document].At.(*place)
		if slices.ContainsFunc(forms[f.Document], func(form string) bool {
			return strings.HasPrefix(f.Path, form) || strings.HasPrefix(form, f.Path+"[")
		}) {
			continue // a field that could not be read is only empty because of that
		}
		line, column := at.find(f.Path)
		faults = append(faults, placed{f, at.order, line, column})
	}
	if len(faults) == 0 {
		return documents, nil
	}
	slices.SortStableFunc(faults, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	all := make(admin.Faults, len(faults))
	for i, f := range faults {
		all[i] = f.Fault
	}
	return nil, all
}

// parse reads document by document, so that one that is broken does not hide what is wrong with the next.
func (p *parser) parse() {
	line := 0
	for chunk := range documentsOf(p.input.Data) {
		p.chunk(chunk, line)
		line += bytes.Count(chunk, []byte("\n"))
	}
}

// documentsOf cuts a stream before each line that starts a document. Such a line is nothing else wherever it
// stands: YAML forbids it within scalars.
func documentsOf(data []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		start, at := 0, 0
		for at < len(data) {
			end := len(data)
			if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
				end = at + i + 1
			}
			if at > start && startsDocument(data[at:end]) {
				if !yield(data[start:at]) {
					return
				}
				start = at
			}
			at = end
		}
		if start < len(data) {
			yield(data[start:])
		}
	}
}

func startsDocument(line []byte) bool {
	return bytes.HasPrefix(line, []byte("---")) && (len(line) == 3 || bytes.IndexByte([]byte(" \t\r\n"), line[3]) >= 0)
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// yamlFault takes an error of the YAML reader apart. It counts lines from 1 in what its scanner finds, and from 0
// in what its parser finds.
func yamlFault(err error) (line int, text string) {
	match := yamlLine.FindStringSubmatch(err.Error())
	if match == nil {
		return 1, strings.TrimPrefix(err.Error(), "yaml: ")
	}
	text = err.Error()[len(match[0]):]
	line, _ = strconv.Atoi(match[1])
	for _, found := range []string{"key", "node content", "'-' indicator", "',' or", "<document start>"} {
		if strings.HasPrefix(text, "did not find expected "+found) {
			line++
		}
	}
	return max(line, 1), text
}

func (p *parser) chunk(chunk []byte, offset int) {
	decoder := yaml.NewDecoder(bytes.NewReader(chunk))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			line, text := yamlFault(err)
			p.fault(-1, "", "", offset+line, 1, "this is not YAML: %s", text)
			return
		}
		p.document(&place{file: p.input.Name, order: p.order, offset: offset, root: node.Content[0]})
	}
}

func (p *parser) fault(document int, subject, path string, line, column int, format string, args ...any) {
	p.faults = append(p.faults, placed{admin.Fault{
		Document: document, Subject: subject, Path: path, Text: fmt.Sprintf(format, args...),
		Where: fmt.Sprintf("%s:%d:%d", p.input.Name, line, column),
	}, p.order, line, column})
}

// document reads one document. Whatever is wrong with it, what could be read is checked further.
func (p *parser) document(at *place) {
	if at.root.Kind == yaml.ScalarNode && at.root.ShortTag() == "!!null" {
		return // nothing between two separators, or comments only
	}
	d := decoder{parser: p, at: at, document: -1, dir: p.input.Dir}
	if at.root.Kind != yaml.MappingNode {
		d.fault(at.root, "", "a document is a mapping that begins with apiVersion: %s", APIVersion)
		return
	}
	if at.value("apiVersion") == nil && at.value("kind") == nil && isBareSettings(at) {
		p.bareSettings(d)
		return
	}
	if p.options.Resource != "" && at.value("apiVersion") == nil && at.value("kind") == nil {
		p.barePolicy(d)
		return
	}
	if at.value("apiVersion") == nil && at.value("kind") == nil && at.value("bindings") != nil {
		d.fault(at.root, "", "this is an IAM policy as gcloud prints it, which does not say of what: name its resource with --resource, or put it below spec: of a document of kind IamPolicy")
		return
	}
	var envelope Envelope
	d.envelope = true
	d.structure(at.root, reflect.ValueOf(&envelope).Elem(), "")
	d.envelope = false
	if envelope.APIVersion != "" && envelope.APIVersion != APIVersion {
		d.fault(at.value("apiVersion"), "apiVersion", "%q: this version reads %s", envelope.APIVersion, APIVersion)
	}
	kind := admin.Kind(envelope.Kind)
	spec, known := specOf(kind)
	if !known {
		if kind != "" {
			d.fault(at.value("kind"), "kind", "%s", unknownKind(kind))
		}
		return
	}
	d.subject = strings.TrimSpace(string(kind) + " " + envelope.Metadata.Name)
	d.document = len(p.documents)
	value := reflect.New(spec)
	if node := at.value("spec"); node != nil && kind == admin.KindIapSettings {
		d.settings(node, value.Interface().(*IapSettings))
	} else if node != nil {
		d.value(node, value.Elem(), "spec")
	} else if kind != admin.KindGroup && kind != admin.KindUser {
		d.fault(at.root, "spec", "spec is missing: it holds what the document declares")
	}
	document := declare(kind, envelope.Metadata.Name, value.Interface(), d)
	document.Source, document.At = p.input.Source, at
	p.documents = append(p.documents, document)
}

// barePolicy reads a policy as gcloud prints it.
func (p *parser) barePolicy(d decoder) {
	d.at.bare = true
	d.subject = "policy of " + p.options.Resource
	d.document = len(p.documents)
	policy := IamPolicy{Resource: p.options.Resource}
	value := reflect.ValueOf(&policy).Elem()
	if node := d.at.value("resource"); node != nil {
		d.fault(node, "spec.resource", "the resource is given by --resource: leave it out")
	}
	d.bare = true
	d.structure(d.at.root, value, "spec")
	policy.Resource = p.options.Resource
	document := declare(admin.KindIamPolicy, p.options.Resource, &policy, d)
	document.Source, document.At = p.input.Source, d.at
	p.documents = append(p.documents, document)
}

func unknownKind(kind admin.Kind) string {
	if slices.Contains(LaterKinds(), kind) {
		return fmt.Sprintf("%s comes with a later release: take the document out", kind)
	}
	var names []string
	for _, k := range Kinds() {
		names = append(names, string(k.Kind))
	}
	if kind == "ServiceAccount" {
		return "service accounts are not kept in manifests: use gatehouse iam service-accounts create"
	}
	return fmt.Sprintf("there is no kind %q%s: it is one of %s", kind, suggestion(string(kind), names), strings.Join(names, ", "))
}
