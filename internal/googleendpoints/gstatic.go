package googleendpoints

import (
	"net/http"
	"path"
	"strings"
)

// keysBelow is where keys are published. All below it is ours: an application that follows a path that we do not
// know must not be handed Google's own keys in the place of ours.
const keysBelow = "/iap/verify"

// GStatic answers as www.gstatic.com does.
type GStatic struct {
	// Keys publishes the keys of assertions, below /iap/verify/.
	Keys http.Handler
	// Relay answers every other path.
	Relay http.Handler
}

func (g *GStatic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch clean := path.Clean("/" + r.URL.Path); {
	case !isHost(r, GStaticHost):
		refuse(w, http.StatusMisdirectedRequest, "this address answers for "+GStaticHost+" only")
	case !readOnly(w, r):
	case clean == keysBelow || strings.HasPrefix(clean, keysBelow+"/"):
		g.Keys.ServeHTTP(w, r)
	default:
		g.Relay.ServeHTTP(w, r)
	}
}
