package reverseproxy

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// tellIdentity answers IDENTITY. No other origin may read it, not even by way of a script or image element.
func tellIdentity(w http.ResponseWriter, r *http.Request, identity principal.Identity) {
	body, err := json.Marshal(struct {
		Email string `json:"email"`
		Sub   string `json:"sub"`
	}{principal.Namespace + identity.Email, principal.Namespace + identity.Subject})
	if err != nil { // cannot happen: two strings
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	pages.Headers(w.Header())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may be gone
	}
}

// showRefresher answers SESSION_REFRESHER.
func (h *Handler) showRefresher(w http.ResponseWriter, r *http.Request, v *enforcement.Verdict) {
	path := ownPath(v)
	h.Pages.Refresher(w, r, pages.Refresher{
		App: v.Served.Service.Name, Email: v.Identity.Email, SignInNeeded: v.Status == http.StatusUnauthorized,
		SelfURL: modeURL(path, specialurl.SessionRefresher), RefreshURL: modeURL(path, specialurl.DoSessionRefresh),
	})
}

// switchURL leads back to the same path as somebody else.
func switchURL(v *enforcement.Verdict) string {
	return modeURL(ownPath(v), specialurl.ClearLoginCookie)
}

// ownPath returns the path of a request as a link that cannot lead to another host.
func ownPath(v *enforcement.Verdict) string {
	path := v.Target.Decoded
	odd := strings.IndexFunc(path, func(c rune) bool { return c >= 0x7f }) >= 0 // no browser sends these as they are
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || odd || v.ByOlderPath {
		return "/"
	}
	return path
}

func modeURL(path string, mode specialurl.Mode) string {
	return path + "?" + specialurl.Parameter + "=" + string(mode)
}
