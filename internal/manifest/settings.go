package manifest

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// settings reads the spec of a document of kind IapSettings, whose form is that of Google's message and its own room's
// to read.
func (d *decoder) settings(node *yaml.Node, into *IapSettings) {
	resource := valueOf(node, "resource")
	if resource != nil {
		d.scalarText(resource, &into.Resource, "spec.resource")
		rest := *node
		rest.Content = nil
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value != "resource" {
				rest.Content = append(rest.Content, node.Content[i], node.Content[i+1])
			} else if node.Content[i+1] != resource {
				d.fault(node.Content[i], "spec.resource", "the field is there twice: keep one")
			}
		}
		node = &rest
	}
	d.refuseNothing(node, "spec")
	document, faults := settings.Read(node)
	for _, f := range faults {
		d.parser.fault(d.document, d.subject, join("spec", f.Path), d.at.offset+max(f.Line, 1), max(f.Column, 1), "%s", f.Text)
	}
	into.IapSettings, into.Etag = document.IapSettings, document.Etag
	switch name := valueOf(node, "name"); {
	case name != nil && into.Resource != "":
		d.fault(name, "spec.name", "the resource is named by resource already: leave name out")
	case name != nil:
		into.Resource = document.Name
	case resource == nil:
		d.fault(node, "spec.resource", "resource is missing")
	}
}

func (d *decoder) scalarText(node *yaml.Node, into *string, path string) {
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!str" {
		d.fault(node, path, "this is %s, and must be text", describe(node))
		return
	}
	*into = settings.TrimName(node.Value)
}

// refuseNothing refuses fields without a value, as everywhere in manifests: whoever wrote one meant something.
func (d *decoder) refuseNothing(node *yaml.Node, path string) {
	for i := 1; i < len(node.Content); i += 2 {
		where := join(path, node.Content[i-1].Value)
		switch value := node.Content[i]; {
		case value.Kind == yaml.ScalarNode && value.ShortTag() == "!!null":
			d.fault(value, where, "there is no value here: give one, or leave the field out")
		case value.Kind == yaml.MappingNode:
			d.refuseNothing(value, where)
		}
	}
}

// isBareSettings reports whether a document without an envelope is settings as gcloud prints them.
func isBareSettings(at *place) bool {
	for _, name := range []string{"accessSettings", "access_settings", "applicationSettings", "application_settings"} {
		if at.value(name) != nil {
			return true
		}
	}
	return false
}

// bareSettings reads settings as gcloud prints them: they name their resource, unless it is given.
func (p *parser) bareSettings(d decoder) {
	d.at.bare = true
	d.subject = "settings"
	d.document = len(p.documents)
	var spec IapSettings
	node := d.at.root
	switch name := d.at.value("name"); {
	case name == nil && p.options.Resource == "":
		d.document = -1
		d.fault(node, "", "these are settings as gcloud prints them, and they do not say of what: name their resource with --resource, or put them below spec: of a document of kind IapSettings")
		return
	case name == nil:
		spec.Resource = settings.TrimName(p.options.Resource)
		named := *node
		named.Content = append([]*yaml.Node{text("resource"), text(spec.Resource)}, node.Content...)
		node = &named
	}
	d.settings(node, &spec)
	if named := valueOf(node, "name"); named != nil && p.options.Resource != "" && spec.Resource != settings.TrimName(p.options.Resource) {
		d.fault(named, "spec.resource", "these are the settings of %s, and --resource says %s", spec.Resource, p.options.Resource)
	}
	d.subject = fmt.Sprintf("settings of %s", spec.Resource)
	document := declare(admin.KindIapSettings, strings.TrimSpace(spec.Resource), &spec, d)
	document.Source, document.At = p.input.Source, d.at
	p.documents = append(p.documents, document)
}
