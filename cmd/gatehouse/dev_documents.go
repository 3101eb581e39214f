package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/emulator"
	"github.com/gatehouse-iap/gatehouse/internal/manifest"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// devDocuments are the documents of production that `gatehouse dev` loads.
type devDocuments struct {
	manifests        []string
	policy, settings string
	service          string // which of the declared services the app is
}

// apply reads the documents into the emulator's options, and returns what people should know of it.
func (d devDocuments) apply(o *emulator.Options) (notes []string, err error) {
	documents, err := readDocuments(d.manifests, "")
	if err != nil {
		return nil, err
	}
	if documents, err = d.chooseService(documents, &o.Protected); err != nil {
		return nil, err
	}
	about, err := resourceOf(o.Protected)
	if err != nil {
		return nil, err
	}
	for _, file := range []struct {
		flag, path string
		kind       admin.Kind
	}{{"--policy", d.policy, admin.KindIamPolicy}, {"--settings", d.settings, admin.KindIapSettings}} {
		more, err := readAbout(file.flag, file.path, file.kind, about)
		if err != nil {
			return nil, err
		}
		documents = append(documents, more...)
	}
	if len(documents) == 0 {
		return nil, nil
	}
	documents, declared, notes := adapt(documents, func(resource string) bool {
		kind, _, _ := strings.Cut(resource, "/services/")
		return resource == about || o.Protected.Declared != nil && resource == kind+"/services/"+o.Protected.Declared.Name
	})
	declared.Apply = func(ctx context.Context, a emulator.Administration) error {
		applier, ok := a.(interface {
			Apply(ctx context.Context, actor audit.Actor, documents []admin.Document, o admin.ApplyOptions) (admin.Plan, error)
		})
		if !ok {
			return errors.New("this administration applies no documents")
		}
		_, err := applier.Apply(ctx, admin.System("emulator"), documents, admin.ApplyOptions{TakeOver: true})
		var faults admin.Faults
		if errors.As(err, &faults) {
			return faults.Locate(documents)
		}
		return err
	}
	o.Declared = declared
	return notes, nil
}

// readDocuments reads files and directories. Bare policies and settings, as gcloud prints them, are about a resource.
func readDocuments(paths []string, about string) ([]admin.Document, error) {
	var inputs []manifest.Input
	for _, path := range paths {
		read, err := manifest.Read(path)
		if err != nil {
			return nil, err
		}
		if len(read) == 0 {
			return nil, fmt.Errorf("%s has no file that ends in .yaml, .yml or .json", path)
		}
		inputs = append(inputs, read...)
	}
	return manifest.Parse(inputs, manifest.Options{Resource: about})
}

// readAbout reads the file of a flag, whose documents are about the app whatever they name: those of production name
// production's.
func readAbout(flag, path string, kind admin.Kind, about string) ([]admin.Document, error) {
	if path == "" {
		return nil, nil
	}
	documents, err := readDocuments([]string{path}, "") // settings name their resource
	if err != nil {
		documents, err = readDocuments([]string{path}, about)
	}
	if err != nil {
		return nil, err
	}
	if len(documents) != 1 || documents[0].Kind != kind {
		return nil, fmt.Errorf("%s %s must hold one document of the kind %s, as gcloud prints it or in the form of a manifest; load others with --manifest", flag, path, kind)
	}
	if d := documents[0]; d.Policy != nil {
		d.Policy.Resource, d.Policy.Policy.Etag = about, "" // an etag of production's is none of ours
	} else if d.Settings != nil {
		d.Settings.Resource, d.Settings.Etag = about, ""
	}
	return documents, nil
}

// chooseService takes the service that the app is, and the project, out of the documents, unless flags name others.
func (d devDocuments) chooseService(documents []admin.Document, p *emulator.Protected) ([]admin.Document, error) {
	var names []string
	chosen := -1
	for i, document := range documents {
		if document.Project != nil && p.Project == "" && p.Audience == "" {
			p.Project = document.Name + ":" + strconv.FormatInt(document.Project.Number, 10)
		}
		if document.Service == nil {
			continue
		}
		names = append(names, document.Name)
		if document.Name == d.service || d.service == "" && chosen < 0 {
			chosen = i
		}
	}
	switch {
	case d.service != "" && chosen < 0:
		return nil, fmt.Errorf("--service %s: the manifests declare no such service (%s)", d.service, strings.Join(names, ", "))
	case chosen < 0, p.AppEngine, p.CloudRun != "", p.Audience != "":
		return documents, nil
	case d.service == "" && len(names) > 1:
		return nil, fmt.Errorf("the manifests declare several services (%s): say which of them the app is with --service NAME", strings.Join(names, ", "))
	}
	project, err := emulator.Protected{Project: p.Project}.Service()
	if err != nil {
		return nil, err
	}
	service := completed(documents[chosen], project)
	if err := service.Service.Validate(); err != nil {
		return nil, err
	}
	p.Declared = &service
	return append(documents[:chosen:chosen], documents[chosen+1:]...), nil
}

// completed fills in what a document may leave out, as applying it would.
func completed(d admin.Document, project resource.Service) catalog.Service {
	s := *d.Service
	s.ProjectID, s.ProjectNumber, s.Name = project.ProjectID, project.ProjectNumber, d.Name
	if s.ID == "" && s.Kind == resource.BackendService {
		s.ID = admin.BackendServiceID(s.ProjectNumber, s.Name)
	}
	if s.ID == "" && s.Kind == resource.CloudRunService {
		s.ID = s.Name
	}
	if s.OAuthClientID == "" {
		s.OAuthClientID = admin.DefaultClientID(s.ProjectNumber, s.Name)
	}
	return s
}

// resourceOf names the app's resource.
func resourceOf(p emulator.Protected) (string, error) {
	if p.Declared != nil {
		return string(p.Declared.Service.Name()), nil
	}
	service, err := p.Service()
	return string(service.Name()), err
}

// adapt makes documents of production those of a laptop: nobody's requests go to production's applications, and nobody
// signs in at production's providers.
func adapt(documents []admin.Document, ofApp func(resource string) bool) (adapted []admin.Document, declared *emulator.Declared, notes []string) {
	declared = &emulator.Declared{}
	for _, document := range documents {
		document.Source = "" // commands and tests may change it
		switch {
		case document.Provider != nil:
			notes = append(notes, fmt.Sprintf("identity provider %s is left out: people sign in with one click here", document.Name))
			continue
		case document.Service != nil:
			service := *document.Service
			service.Hosts, service.Upstream, service.UpstreamTLS = []string{document.Name + ".localhost"}, "http://127.0.0.1:1", nil
			service.Upstreams, service.HealthCheck = nil, nil
			document.Service = &service
			declared.Hosts = append(declared.Hosts, service.Hosts...)
			notes = append(notes, fmt.Sprintf("service %s is not the app: policies may name it, and nothing answers behind it", document.Name))
		case document.User != nil:
			user := *document.User
			user.PasswordHash = nil
			document.User = &user
			declared.Accounts = append(declared.Accounts, document.Name)
		case document.Policy != nil:
			declared.Policy = declared.Policy || ofApp(document.Policy.Resource)
		}
		adapted = append(adapted, document)
	}
	return adapted, declared, notes
}
