package enforcement

import "strings"

// modeParameter is the query parameter by which IAP's own functions are called on any path.
const modeParameter = "gcp-iap-mode="

// The modes that are carried out. Any other value is an ordinary request, as in IAP.
const (
	modeAuthenticating   = "AUTHENTICATING"
	modeClearLoginCookie = "CLEAR_LOGIN_COOKIE"
)

// modeOf returns the first mode of a raw query. Neither name nor value is decoded: no mode has an escape.
func modeOf(query string) string {
	if !strings.Contains(query, modeParameter) {
		return ""
	}
	for parameter := range strings.SplitSeq(query, "&") {
		if value, found := strings.CutPrefix(parameter, modeParameter); found {
			return value
		}
	}
	return ""
}
