// Package specialurl is the vocabulary of IAP's special URLs: what is asked of the gate itself at any application's
// address, by a query parameter on any path or by one of the older paths. It reads and rewrites addresses; it carries
// nothing out and decides about nobody.
package specialurl

import "errors"

// Mode is what a special URL asks for. The empty mode is an ordinary request.
type Mode string

// The modes. All but the last two are IAP's own.
const (
	Authenticating   Mode = "AUTHENTICATING"     // the way back from sign-in
	ClearLoginCookie Mode = "CLEAR_LOGIN_COOKIE" // sign out of this application
	DoSessionRefresh Mode = "DO_SESSION_REFRESH" // sign in again, then show the refresher
	ForceLogin       Mode = "FORCE_LOGIN"        // sign in where nobody has to, then go on
	GCIPSignOut      Mode = "GCIP_SIGNOUT"       // sign out of Identity Platform
	Identity         Mode = "IDENTITY"           // who am I, as JSON
	SecureTokenTest  Mode = "SECURE_TOKEN_TEST"  // forward with a bad assertion
	SessionRefresher Mode = "SESSION_REFRESHER"  // a page that keeps the session alive
	SignOut          Mode = "GATEHOUSE_SIGN_OUT" // ours: to the page that signs out of all applications
	SignIn           Mode = "GATEHOUSE_SIGN_IN"  // ours: sign in, and go on to what ContinueParameter names, or say that it is done
)

// Test is what is wrong with the assertion of SecureTokenTest.
type Test string

// The tests.
const (
	NotSet         Test = "NOT_SET"         // nothing
	FutureIssue    Test = "FUTURE_ISSUE"    // iat is in the future
	PastExpiration Test = "PAST_EXPIRATION" // exp is past
	Issuer         Test = "ISSUER"          // iss is not IAP
	Audience       Test = "AUDIENCE"        // made for another application
	Signature      Test = "SIGNATURE"       // another key signed than the kid says
)

// The parameters.
const (
	Parameter      = "gcp-iap-mode"
	TestParameter  = "iap-secure-token-test-type"
	TokenParameter = "redirect_token_v2" // of Authenticating

	RestartParameter  = "gatehouse_restart" // ours, of Authenticating: an attempt that is begun anew
	ContinueParameter = "continue"          // ours, of SignIn
)

// Modes lists the modes.
func Modes() []Mode {
	return []Mode{
		Authenticating, ClearLoginCookie, DoSessionRefresh, ForceLogin, GCIPSignOut, Identity, SecureTokenTest, SessionRefresher, SignOut, SignIn,
	}
}

// Tests lists the tests of SecureTokenTest.
func Tests() []Test {
	return []Test{NotSet, FutureIssue, PastExpiration, Issuer, Audience, Signature}
}

// Call is one use of a special URL.
type Call struct {
	Mode Mode
	Test Test // of SecureTokenTest
	// ByPath says that an older path called, not the parameter. Such a path belongs to the gate: the application
	// never sees it.
	ByPath bool
}

// String is how the decision log names the call: the mode, and the test after a slash.
func (c Call) String() string {
	if c.Test == "" {
		return string(c.Mode)
	}
	return string(c.Mode) + "/" + string(c.Test)
}

// Why an address calls nothing although it looks like it.
var (
	// ErrInvalid is a call that is not spelled exactly, stands there twice, or whose test does not exist. Programs
	// differ in what they make of such an address, so nobody gets to see it.
	ErrInvalid = errors.New("not a special URL, but an address that could be mistaken for one")
	// ErrUnknown is a path below the gate's own prefixes at which there is nothing.
	ErrUnknown = errors.New("no special URL has this path")
)

// The prefixes of the older paths, without the slashes around them. No path that begins with one of them, in
// whatever spelling, is forwarded.
const (
	prefixIAP        = "_gcp_iap"
	prefixGatekeeper = "_gcp_gatekeeper"
)

const testPath = "/" + prefixIAP + "/secure_token_test/"

// byPath are the older paths.
var byPath = map[string]Mode{
	"/" + prefixIAP + "/identity":            Identity,
	"/" + prefixIAP + "/clear_login_cookie":  ClearLoginCookie,
	"/" + prefixIAP + "/do_session_refresh":  DoSessionRefresh,
	"/" + prefixIAP + "/session_refresher":   SessionRefresher,
	"/" + prefixGatekeeper + "/authenticate": Authenticating,
}

// Paths lists the older paths; the one of SecureTokenTest ends in a slash, and goes on with the test.
func Paths() []string {
	paths := []string{testPath}
	for path := range byPath {
		paths = append(paths, path)
	}
	return paths
}
