package conformance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// target is a server that is asked.
type target struct {
	origin *url.URL
	client *http.Client
	method string
	header http.Header // added to each request
	agent  string
}

// maxAnswer is how much of an answer is searched for the forged person.
const maxAnswer = 256 << 10

// ask sends one attempt. Errors are part of the answer, except that the context has ended.
func (t *target) ask(ctx context.Context, path string, a attempt) (*Answer, []byte, error) {
	address := *t.origin
	reference, err := url.Parse(path)
	if err != nil {
		return nil, nil, err
	}
	address.Path, address.RawPath, address.RawQuery = reference.Path, reference.RawPath, reference.RawQuery
	if len(a.query) > 0 {
		address.RawQuery = strings.TrimPrefix(address.RawQuery+"&"+a.query.Encode(), "&")
	}
	request, err := http.NewRequestWithContext(ctx, t.method, address.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	t.dress(request, a.header)
	answer := &Answer{Path: path, What: a.what}
	response, err := t.client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		answer.Error = cause(err)
		return answer, nil, nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil && ctx.Err() != nil {
		return nil, nil, ctx.Err()
	} // what was read of a broken answer is judged: its status has come
	answer.Status = response.StatusCode
	answer.Location = strings.ToValidUTF8(response.Header.Get("Location"), "?")
	answer.Generated = strings.EqualFold(response.Header.Get("X-Goog-IAP-Generated-Response"), "true")
	answer.header, answer.protocol = response.Header, response.Proto
	return answer, body, nil
}

// dress adds headers as they are spelled. A probe's own win, and cookies are joined.
func (t *target) dress(request *http.Request, own http.Header) {
	request.Header.Set("User-Agent", t.agent)
	request.Header.Set("Accept", "text/html,application/json;q=0.9,*/*;q=0.8")
	for name, values := range t.header {
		if strings.EqualFold(name, "Host") {
			request.Host = values[0]
			continue
		}
		request.Header[name] = values
	}
	for name, values := range own {
		if name == "Cookie" && len(request.Header["Cookie"]) > 0 {
			values = []string{request.Header["Cookie"][0] + "; " + values[0]}
		}
		request.Header[name] = values
	}
}

// cause takes away what every error of net/http begins with: method and URL, which the report has already, and
// which may hold an assertion in the query.
func cause(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err.Error()
	}
	return err.Error()
}

// names reports whether an answer names a person whom the answer to nobody does not name.
func names(header http.Header, body, toNobody []byte, p person) bool {
	if p.email == "" {
		return false
	}
	email := []byte(strings.ToLower(p.email))
	if bytes.Contains(bytes.ToLower(toNobody), email) {
		return false
	}
	if bytes.Contains(bytes.ToLower(body), email) {
		return true
	}
	for _, values := range header {
		for _, value := range values {
			if strings.Contains(strings.ToLower(value), string(email)) {
				return true
			}
		}
	}
	return false
}
