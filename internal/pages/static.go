package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
)

// StaticPrefix is the path, on every host that shows pages, under which their static files are served. It is
// relative to the host so that a page needs nothing from anywhere else.
const StaticPrefix = "/_gcp_iap/static/"

//go:embed static
var staticFiles embed.FS

// asset is one static file. Its public name holds a hash of its content, so it may be cached for ever.
type asset struct {
	public      string // such as "gatehouse.0123456789abcdef.css"
	contentType string
	content     []byte
}

// assets holds the static files by their name in the source tree.
type assets map[string]asset

func loadAssets() (assets, error) {
	loaded := make(assets)
	for name, contentType := range map[string]string{
		"gatehouse.css": "text/css; charset=utf-8",
		"gatehouse.js":  "text/javascript; charset=utf-8",
		"icon.svg":      "image/svg+xml",
	} {
		content, err := staticFiles.ReadFile("static/" + name)
		if err != nil {
			return nil, fmt.Errorf("read static file: %w", err)
		}
		loaded[name] = newAsset(name, contentType, content)
	}
	return loaded, nil
}

func (a assets) path(name string) string { return StaticPrefix + a[name].public }

// newAsset names a file after its content.
func newAsset(name, contentType string, content []byte) asset {
	hash := sha256.Sum256(content)
	stem, extension, _ := strings.Cut(name, ".")
	return asset{public: stem + "." + hex.EncodeToString(hash[:8]) + "." + extension, contentType: contentType, content: content}
}

// find returns the file with a public name. Files of an installation's own are found by their own name too, which its
// style sheets know; then they may have changed by the next time.
func (p *Renderer) find(name string) (file asset, lasting, found bool) {
	of := []assets{p.assets}
	if c := p.custom.Load(); c != nil {
		for _, custom := range []*Custom{c.now, c.before} {
			if custom != nil {
				of = append(of, custom.assets)
			}
		}
	}
	for i, files := range of {
		for own, file := range files {
			if file.public == name {
				return file, true, true
			}
			if own == name && i == 1 {
				return file, false, true
			}
		}
	}
	return asset{}, false, false
}

// Static serves the pages' static files. Mount it at StaticPrefix on every host that shows pages, in front of
// authentication: the files say nothing about anybody.
func (p *Renderer) Static() http.Handler { return http.HandlerFunc(p.static) }

func (p *Renderer) static(w http.ResponseWriter, r *http.Request) {
	Headers(w.Header())
	name, under := strings.CutPrefix(r.URL.Path, StaticPrefix)
	file, lasting, found := p.find(name)
	switch {
	case !under || !found:
		send(w, r, http.StatusNotFound, "text/plain; charset=utf-8", []byte("No such file.\n"))
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		send(w, r, http.StatusMethodNotAllowed, "text/plain; charset=utf-8", []byte("Use GET.\n"))
	default:
		h := w.Header()
		h.Set("Content-Type", file.contentType)
		h.Set("Cache-Control", "no-cache")
		if lasting {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("ETag", `"`+path.Base(file.public)+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.content))
	}
}
