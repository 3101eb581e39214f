package googleendpoints

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// metadataFlavor is the header that clients must send, so that nobody's browser can be made to ask, and that tells
// them that this is a metadata server.
const metadataFlavor = "Metadata-Flavor"

// NewMetadata answers as the metadata server of a virtual machine in a project and zone does.
func NewMetadata(projectID string, projectNumber int64, zone string) http.Handler {
	number := strconv.FormatInt(projectNumber, 10)
	return metadata{
		"/computeMetadata/":                              "v1/\n",
		"/computeMetadata/v1/":                           "instance/\nproject/\n",
		"/computeMetadata/v1/instance/":                  "zone\n",
		"/computeMetadata/v1/instance/zone":              fmt.Sprintf("projects/%s/zones/%s", number, zone),
		"/computeMetadata/v1/project/":                   "numeric-project-id\nproject-id\n",
		"/computeMetadata/v1/project/numeric-project-id": number,
		"/computeMetadata/v1/project/project-id":         projectID,
	}
}

// metadata is the text at each path. A path that ends in a slash is a directory.
type metadata map[string]string

func (m metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set(metadataFlavor, "Google")
	header.Set("Server", "Metadata Server for VM")
	header.Set("X-Content-Type-Options", "nosniff")
	query := r.URL.Query()
	flavor := r.Header.Values(metadataFlavor)
	switch {
	// Clients are told an address where the name is not known (GCE_METADATA_HOST). A browser that is led here under a
	// name of somebody else's has no business here.
	case !isHost(r, MetadataHost) && !isHost(r, "metadata") && !isAddress(r):
		refuse(w, http.StatusMisdirectedRequest, "this address answers for "+MetadataHost+" only")
	case !readOnly(w, r):
	case len(r.Header.Values("X-Forwarded-For")) > 0:
		refuse(w, http.StatusForbidden, "a request that came through a proxy (X-Forwarded-For) is not answered")
	case r.URL.Path == "/": // detection: asked without the header, too
		m.write(w, r, "computeMetadata/\n")
	case !slices.Equal(flavor, []string{"Google"}):
		refuse(w, http.StatusForbidden, `the header "Metadata-Flavor: Google" is missing`)
	case query.Has("recursive") || query.Has("wait_for_change") || query.Has("alt"):
		refuse(w, http.StatusNotFound, "recursive, alt and wait_for_change are not offered: ask for one value")
	case m[r.URL.Path+"/"] != "" && !strings.HasSuffix(r.URL.Path, "/"):
		header.Set("Location", r.URL.Path+"/")
		w.WriteHeader(http.StatusMovedPermanently)
	case m[r.URL.Path] == "":
		refuse(w, http.StatusNotFound, "this is not offered; there are project/project-id, project/numeric-project-id and instance/zone")
	default:
		m.write(w, r, m[r.URL.Path])
	}
}

func (m metadata) write(w http.ResponseWriter, r *http.Request, text string) {
	header := w.Header()
	sum := sha256.Sum256([]byte(text))
	header.Set("ETag", hex.EncodeToString(sum[:8]))
	header.Set("Content-Type", "application/text")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	if r.Method == http.MethodGet {
		_, _ = w.Write([]byte(text)) // a client that is gone needs no answer
	}
}
