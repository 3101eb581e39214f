package config

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
)

// Initial is what a new installation is described by.
type Initial struct {
	Host     string // of the first application
	Upstream string // its URL
	Issuer   string // of the identity provider; empty starts with local accounts
	ClientID string // our client id there; "gatehouse" when empty
	AuthHost string // "auth." and the rest of Host when empty
	Domain   string // of people's e-mail addresses; the rest of Host when empty, and any for localhost
}

// The names of the files that a new installation starts with.
const (
	InitialConfig   = "gatehouse.yaml"
	InitialManifest = "apps.yaml"
	InitialSecret   = "client-secret"
)

//go:embed initial/gatehouse.yaml.tmpl
var initialConfig string

//go:embed initial/apps.yaml.tmpl
var initialManifest string

// initialValues are what the two texts are filled with.
type initialValues struct {
	Initial
	Local       bool // localhost names, plain HTTP
	ExternalURL string
	Name        string // of the first service
	Manifest    string
	Secret      string
	Private     bool // the issuer is on this machine
}

// Complete fills in what was left out, and refuses what cannot work.
func (i Initial) Complete() (Initial, error) {
	canonical, err := catalog.CanonicalHost(i.Host)
	if err != nil || strings.Contains(i.Host, ":") {
		return i, fmt.Errorf("%q is not a host name: write it without scheme, port and path, such as app.example.com", i.Host)
	}
	i.Host = canonical
	if u, err := url.Parse(i.Upstream); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "h2c" || i.Upstream != u.Scheme+"://"+u.Host {
		return i, fmt.Errorf("%q is not the URL of an application, such as http://127.0.0.1:3000", i.Upstream)
	}
	if u, err := url.Parse(i.Issuer); i.Issuer != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return i, fmt.Errorf("%q is not the URL of an identity provider, such as https://login.example.com", i.Issuer)
	}
	_, rest, _ := strings.Cut(i.Host, ".")
	local := isLocal(i.Host)
	if !strings.Contains(rest, ".") && !local || net.ParseIP(i.Host) != nil {
		rest = i.Host // example.com is a domain of its own
	}
	if i.AuthHost == "" {
		if i.AuthHost = "auth." + rest; local {
			i.AuthHost = "auth.localhost"
		}
	}
	if i.AuthHost, err = catalog.CanonicalHost(i.AuthHost); err != nil || i.AuthHost == i.Host {
		return i, fmt.Errorf("the auth host must be a host name of its own, other than %s", i.Host)
	}
	if i.Domain != "" {
		domain, err := catalog.CanonicalHost(i.Domain)
		if err != nil || strings.Contains(i.Domain, ":") {
			return i, fmt.Errorf("%q is not the domain of e-mail addresses, such as example.com", i.Domain)
		}
		i.Domain = domain
	} else if !local {
		i.Domain = rest
	}
	if i.ClientID == "" {
		i.ClientID = "gatehouse"
	}
	return i, nil
}

// Write writes the two files of a completed Initial into a directory. It overwrites nothing: when one of them is
// there, neither is written.
func (i Initial) Write(dir string) (configFile, manifestFile string, err error) {
	values := initialValues{
		Initial: i, Local: isLocal(i.Host), ExternalURL: "https://" + i.AuthHost, Manifest: InitialManifest, Secret: InitialSecret,
		Name: serviceName(i.Host),
	}
	if values.Local {
		values.ExternalURL = "http://" + i.AuthHost + ":8080"
	}
	if u, err := url.Parse(i.Issuer); err == nil {
		values.Private = isLocal(u.Hostname())
	}
	texts := map[string]string{InitialConfig: initialConfig, InitialManifest: initialManifest}
	for name := range texts {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return "", "", fmt.Errorf("%s is there already, and nothing is overwritten: choose another directory with --dir", path)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", err
	}
	for _, name := range []string{InitialManifest, InitialConfig} {
		if err := writeNew(filepath.Join(dir, name), texts[name], values); err != nil {
			return "", "", err
		}
	}
	return filepath.Join(dir, InitialConfig), filepath.Join(dir, InitialManifest), nil
}

func writeNew(path, text string, values initialValues) error {
	filled, err := template.New(filepath.Base(path)).Option("missingkey=error").Funcs(template.FuncMap{"text": yamlText}).Parse(text)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(filled.Execute(file, values), file.Sync(), file.Close())
}

// plainText is what YAML takes for text without quotes, whatever stands around it.
var plainText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*(:[A-Za-z0-9_./-]+)*$`)

// yamlText writes a value so that YAML reads it as that text, and as nothing else.
func yamlText(value string) (string, error) {
	if plainText.MatchString(value) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(value)) {
		return value, nil
	}
	quoted, err := json.Marshal(value) // YAML's double quotes are a superset of JSON's
	return string(quoted), err
}

// serviceName makes a name of the first label of a host.
func serviceName(host string) string {
	label, _, _ := strings.Cut(host, ".")
	if label == "" || label[0] < 'a' || label[0] > 'z' || net.ParseIP(host) != nil {
		return "app"
	}
	return label
}
