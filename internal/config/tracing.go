package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/gatehouse-iap/gatehouse/internal/regularfile"
)

// Tracing says where traces go; without an endpoint there are none.
type Tracing struct {
	Endpoint    string // the whole URL
	SampleRatio float64
	Headers     []TracingHeader
}

// TracingHeader is sent to the collector. Its value is a secret.
type TracingHeader struct {
	Name string
	Secret
}

// defaultSampleRatio shows what is slow and costs little: of requests that are many, one in ten says as much as all.
const defaultSampleRatio = 0.1

// tracesPath is where OTLP over HTTP takes traces, unless somebody says otherwise.
const tracesPath = "/v1/traces"

func tracingKeys(t *Tracing) []key {
	t.SampleRatio = defaultSampleRatio
	return []key{
		{name: "endpoint", restart: true, standard: "no traces", example: "http://localhost:4318", value: collector(&t.Endpoint),
			meaning: "The collector's address for OTLP over HTTP. " + tracesPath + " is added where it has no path."},
		{name: "sampleRatio", restart: true, standard: strconv.FormatFloat(defaultSampleRatio, 'g', -1, 64), example: "0.01", value: ratio(&t.SampleRatio),
			meaning: "How many of the traces that begin here are kept, from 0 to 1. Requests that a trusted proxy has begun a trace for are kept or not as it says."},
		{name: "headers", restart: true, standard: "none", example: "[{name: Authorization, file: /etc/gatehouse/collector}]", value: sections[TracingHeader]{&t.Headers, tracingHeaderKeys},
			meaning: "Headers for the collector, such as the one that it knows its customers by."},
	}
}

func tracingHeaderKeys(h *TracingHeader) []key {
	return []key{
		{name: "name", required: true, restart: true, example: "Authorization", value: headerName(&h.Name),
			meaning: "The header's name."},
		{name: "file", restart: true, example: "/etc/gatehouse/collector", value: text(&h.File, "a file"),
			meaning: "A file that holds the whole value, such as `Bearer …`."},
		{name: "env", restart: true, example: "GATEHOUSE_COLLECTOR", value: variable(&h.Env),
			meaning: "An environment variable that holds it."},
	}
}

func collector(target *string) value {
	return scalar[string]{target: target, what: "a URL", parse: func(s string) (string, error) {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return "", wrong("is not the address of a collector", "write http://HOST:PORT or https://HOST:PORT; secrets go into headers")
		}
		if u.Path == "" || u.Path == "/" {
			u.Path = tracesPath
		}
		return u.String(), nil
	}}
}

func ratio(target *float64) value {
	return scalar[float64]{target: target, what: "a number from 0 to 1", tags: []string{"!!int", "!!float"}, parse: func(s string) (float64, error) {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || !(n >= 0 && n <= 1) {
			return 0, wrong("is not a number from 0 to 1", "write 0.1 for one in ten")
		}
		return n, nil
	}}
}

func headerName(target *string) value {
	return scalar[string]{target: target, what: "a header's name", parse: func(s string) (string, error) {
		if !httpguts.ValidHeaderFieldName(s) {
			return "", wrong("is not the name of a header", "write it alone, without colon and value")
		}
		return http.CanonicalHeaderKey(s), nil
	}}
}

// deriveTracing holds the headers against the rest.
func (c *Config) deriveTracing(r *reader) {
	t := &c.Tracing
	if t.Endpoint == "" && (len(t.Headers) > 0 || r.has("tracing.sampleRatio")) {
		r.fault("tracing", "endpoint is missing, so nothing would be sent", "write endpoint: http://localhost:4318, or remove tracing")
	}
	if len(t.Headers) > 0 && strings.HasPrefix(t.Endpoint, "http://") && !isLoopback(t.Endpoint) {
		r.fault("tracing.endpoint", "the headers would be sent over plain HTTP to another machine", "write an https endpoint")
	}
	for i := range t.Headers {
		h, at := &t.Headers[i], fmt.Sprintf("tracing.headers[%d]", i)
		if (h.File == "") == (h.Env == "") && r.has(at) {
			r.fault(at, "a header needs either file or env", "write {name: NAME, file: FILE} or {name: NAME, env: NAME}")
		}
		h.File = c.resolve(h.File)
	}
}

func isLoopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback() || u.Hostname() == "localhost"
}

func (c *Config) checkTracing(r *reader, source Source) {
	for i, h := range c.Tracing.Headers {
		if h.File == "" && h.Env == "" {
			continue // found already
		}
		if _, err := h.Value(source.LookupEnv); err != nil {
			r.fault(fmt.Sprintf("tracing.headers[%d]", i), err.Error(), "")
		}
	}
}

// Header reads what is sent to the collector.
func (t Tracing) Header(lookupEnv func(string) (string, bool)) (http.Header, error) {
	header := http.Header{}
	var faults []error
	for _, h := range t.Headers {
		value, err := h.Value(lookupEnv)
		if err != nil {
			faults = append(faults, err)
		}
		header.Set(h.Name, value)
	}
	return header, errors.Join(faults...)
}

// Value reads the value. Its errors never repeat it.
func (h TracingHeader) Value(lookupEnv func(string) (string, bool)) (string, error) {
	value, where := "", "the variable "+h.Env
	if h.File != "" {
		where = h.File
		text, info, err := regularfile.Read(h.File, maxFile)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			return "", errors.New(fileProblem(h.File, err))
		case err != nil:
			return "", err
		case openToAll(info):
			return "", fmt.Errorf("%s may be read by everybody (mode %04o): run: chmod 600 %s", h.File, info.Mode().Perm(), h.File)
		}
		value = string(text)
	} else {
		var found bool
		if value, found = lookupEnv(h.Env); !found {
			return "", fmt.Errorf("%s is not set", where)
		}
	}
	value = strings.TrimRight(value, "\r\n")
	if value == "" || !httpguts.ValidHeaderFieldValue(value) {
		return "", fmt.Errorf("%s does not hold the value of a header: one line of text", where)
	}
	return value, nil
}

func openToAll(info os.FileInfo) bool { return info.Mode().Perm()&0o004 != 0 }
