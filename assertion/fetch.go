package assertion

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

const (
	// maxKeyBytes bounds a key document; IAP's has about 1 KiB.
	maxKeyBytes = 256 << 10
	// defaultFreshness is for an endpoint that says nothing about caching.
	defaultFreshness = time.Hour
	minFreshness     = time.Minute
	maxRedirects     = 3
)

// fetch asks the endpoint once. previous may be nil.
func (r *RemoteKeySet) fetch(ctx context.Context, previous *published, pastCaches bool) (*published, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	if pastCaches {
		// A cache on the way may hold the document from before the key that we look for.
		request.Header.Set("Cache-Control", "no-cache")
	}
	if previous != nil && previous.etag != "" {
		request.Header.Set("If-None-Match", previous.etag)
	}
	asked := r.now()
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()

	next := &published{etag: response.Header.Get("ETag")}
	switch {
	case response.StatusCode == http.StatusOK:
		if next.keys, err = readKeys(response.Body); err != nil {
			return nil, err
		}
	case response.StatusCode == http.StatusNotModified && previous != nil && previous.etag != "":
		next.keys = previous.keys
		if next.etag == "" {
			next.etag = previous.etag
		}
	default:
		return nil, fmt.Errorf("the key endpoint answered %s", response.Status)
	}
	next.keepPointers(previous)
	fresh := freshness(response.Header)
	if response.StatusCode == http.StatusNotModified && len(response.Header.Values("Cache-Control")) == 0 {
		fresh = previous.lifetime // RFC 9111, section 4.3.4: what a 304 does not say stays as it was
	}
	// Counted from the question and not from the answer, which may have been long on its way.
	next.lifetime = fresh
	next.refreshAt = asked.Add(fresh - fresh/10)
	next.expires = asked.Add(fresh)
	next.bound = asked.Add(maxStale)
	return next, nil
}

func readKeys(body io.Reader) (StaticKeySet, error) {
	data, err := io.ReadAll(io.LimitReader(body, maxKeyBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeyBytes {
		return nil, errors.New("the key document is too large")
	}
	return ParseKeys(data)
}

// keepPointers reuses the keys that have not changed, so that remembered assertions compare by pointer.
func (p *published) keepPointers(previous *published) {
	if previous == nil {
		return
	}
	for keyID, key := range p.keys {
		if old := previous.keys[keyID]; old != nil && old != key && old.Equal(key) {
			p.keys[keyID] = old
		}
	}
}

// freshness returns how long an answer may be used without asking again (RFC 9111, as a private cache).
func freshness(header http.Header) time.Duration {
	fresh := defaultFreshness
	stated := false
	for _, line := range header.Values("Cache-Control") {
		for _, directive := range strings.Split(line, ",") {
			name, value, _ := strings.Cut(strings.ToLower(textproto.TrimString(directive)), "=")
			switch name {
			case "no-store", "no-cache":
				return minFreshness
			case "max-age":
				seconds := deltaSeconds(strings.Trim(value, `"`))
				if !stated || seconds < fresh {
					fresh, stated = seconds, true
				}
			}
		}
	}
	if age := header.Get("Age"); age != "" && stated {
		fresh -= deltaSeconds(textproto.TrimString(age))
	}
	return max(minFreshness, min(fresh, maxStale))
}

// deltaSeconds reads a number of seconds; what is no number counts as none at all.
func deltaSeconds(s string) time.Duration {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		if errors.Is(err, strconv.ErrRange) {
			return maxStale
		}
		return 0
	}
	return time.Duration(n) * time.Second
}

// checkRedirect keeps a fetch on the scheme and host that were configured.
func (r *RemoteKeySet) checkRedirect(request *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	if request.URL.Scheme != r.url.Scheme || request.URL.Host != r.url.Host {
		return fmt.Errorf("refused a redirect to another origin, %s://%s", request.URL.Scheme, request.URL.Host)
	}
	return nil
}
