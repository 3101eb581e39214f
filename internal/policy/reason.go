// Package policy is the policy decision point. It owns the closed list of reasons, and the decision itself:
// Decide reads compiled IAM policy and nothing else.
package policy

// Reason says why a request was let through or not. The list is closed: page, audit record, command line and
// docs/reasons.md all use it.
type Reason string

// Reasons for letting a request pass.
const (
	Granted       Reason = "granted"        // a binding names the principal
	GrantedPublic Reason = "granted_public" // a binding names allUsers
	IAPDisabled   Reason = "iap_disabled"   // the gate is off for the service

	PreflightAllowed Reason = "preflight_allowed" // OPTIONS, which the settings let pass
	TokenTest        Reason = "token_test"        // SECURE_TOKEN_TEST: somebody who may pass asked for a bad assertion
)

// Reasons for answers that need nobody's name.
const (
	PublicPath    Reason = "public_path"    // the service lets this method and path pass without anybody's name
	CORSPreflight Reason = "cors_preflight" // the gate answered a browser's question for a page of one of corsOrigins
)

// Reasons for asking who it is.
const (
	NoCredential    Reason = "no_credential"    // neither session nor bearer
	SessionEnded    Reason = "session_ended"    // expired, idle, signed out or revoked
	CookieInvalid   Reason = "cookie_invalid"   // does not open here, or two that disagree
	BearerInvalid   Reason = "bearer_invalid"   // a token for us that fails
	SignInTooOld    Reason = "sign_in_too_old"  // the settings ask for a more recent or a stronger sign-in
	ConfirmationDue Reason = "confirmation_due" // the identity provider has to confirm the session
)

// Reasons about special URLs (gcp-iap-mode), which the gate answers itself.
const (
	SpecialURL        Reason = "special_url"         // it was carried out
	SpecialURLInvalid Reason = "special_url_invalid" // it is not spelled as it has to be
	SpecialURLRefused Reason = "special_url_refused" // it cannot be used in this way
	NoExternalPeople  Reason = "no_external_people"  // GCIP_SIGNOUT where nobody comes from Identity Platform
)

// Reasons for refusing somebody we know.
const (
	NotGranted         Reason = "not_granted"         // no binding names the principal
	PrincipalSuspended Reason = "principal_suspended" // the account is disabled or gone
)

// Reasons for refusing a request whatever its principal.
const (
	TargetInvalid    Reason = "target_invalid"    // the request target has a form that is refused
	TargetAmbiguous  Reason = "target_ambiguous"  // its three forms lead to different services
	HostInvalid      Reason = "host_invalid"      // Host is malformed or disagrees with the target
	HostUnknown      Reason = "host_unknown"      // no service answers on that host
	DomainRefused    Reason = "domain_refused"    // the settings do not allow the host
	HostConflict     Reason = "host_conflict"     // the host does not belong on the TLS connection that it came over
	ProxyConflict    Reason = "proxy_conflict"    // a trusted proxy contradicts itself about the client
	RedirectLoop     Reason = "redirect_loop"     // plain HTTP would be redirected to itself
	PathUnknown      Reason = "path_unknown"      // no service answers on that path of the host
	MethodRefused    Reason = "method_refused"    // CONNECT, TRACE
	SnapshotStale    Reason = "snapshot_stale"    // the store has not been confirmed for too long
	StoreFailed      Reason = "store_failed"      // the session's record could not be read
	AttributesFailed Reason = "attributes_failed" // what the application is to be told cannot be worked out
	SigningFailed    Reason = "signing_failed"    // no key can sign the assertion
	RecordFailed     Reason = "record_failed"     // the decision could not be recorded, and then nothing may pass
	UpstreamFailed   Reason = "upstream_failed"   // the application did not answer
	SignInRefused    Reason = "sign_in_refused"   // a step of the hand-off failed
)

// Reasons for refusing a request for a limit. The last two come after it was let through.
const (
	HeaderTooLarge Reason = "header_too_large" // its header is longer than the listener takes
	URLTooLong     Reason = "url_too_long"     // so is its target
	BodyTooLarge   Reason = "body_too_large"   // its body is longer than the service takes
	BodyTooSlow    Reason = "body_too_slow"    // its body stood still
)

// Reasons for not going on with a sign-in.
const (
	SignInLoops   Reason = "sign_in_loops"  // signing in leads back to signing in
	ReturnRefused Reason = "return_refused" // the address to come back to is not one of the service's
)

// Reasons for which an identity provider lets nobody in.
const (
	SignInDeclined        Reason = "sign_in_declined"       // the person or the provider said no
	SignInUnproved        Reason = "sign_in_unproved"       // it does not show what the application's settings demand
	AddressRefused        Reason = "address_refused"        // the provider may not vouch for the address
	ProviderUnavailable   Reason = "provider_unavailable"   // it does not answer
	ProviderMisconfigured Reason = "provider_misconfigured" // it and we do not fit together
	ProviderTokenInvalid  Reason = "provider_token_invalid" // what it says proves nothing
)

// Description is what people are told about a reason.
type Description struct {
	Title string // a headline for the refusal page
	Text  string // one or two sentences: what happened and what to do next
}

// Describe returns the public text of a reason. Every reason of the list has one.
func (r Reason) Describe() Description { return descriptions[r] }

// Reasons lists every reason, in the order of this file.
func Reasons() []Reason {
	return []Reason{
		Granted, GrantedPublic, IAPDisabled, TokenTest, PreflightAllowed,
		PublicPath, CORSPreflight, NoCredential, SessionEnded, CookieInvalid, BearerInvalid, ConfirmationDue, SignInTooOld,
		SpecialURL, SpecialURLInvalid, SpecialURLRefused, NoExternalPeople,
		NotGranted, PrincipalSuspended,
		TargetInvalid, TargetAmbiguous, HostInvalid, HostUnknown, DomainRefused, HostConflict, ProxyConflict, RedirectLoop,
		PathUnknown, MethodRefused, SnapshotStale, StoreFailed, AttributesFailed, SigningFailed, RecordFailed, UpstreamFailed, SignInRefused,
		HeaderTooLarge, URLTooLong, BodyTooLarge, BodyTooSlow,
		SignInLoops, ReturnRefused, SignInDeclined, SignInUnproved, AddressRefused, ProviderUnavailable, ProviderMisconfigured,
		ProviderTokenInvalid,
	}
}

var descriptions = map[Reason]Description{
	Granted:            {"Let through", "A binding of the policy names this person or service account."},
	GrantedPublic:      {"Let through", "The policy lets everybody in (allUsers)."},
	IAPDisabled:        {"Let through", "The gate is off for this service. The application was told nobody's name."},
	PreflightAllowed:   {"Let through", "The settings let every OPTIONS request pass without sign-in. The application was told nobody's name."},
	TokenTest:          {"Let through with a bad assertion", "Somebody who may use this application asked for an assertion that is wrong in one way (SECURE_TOKEN_TEST), to see whether the application notices."},
	NoCredential:       {"Sign in first", "Nobody is signed in here yet."},
	SessionEnded:       {"Signed out", "The session has ended. Sign in again to go on."},
	CookieInvalid:      {"Sign in again", "The session cookie is not one that this site issued. Sign in again to get a new one."},
	BearerInvalid:      {"Token refused", "The bearer token was not accepted. Ask for a new one with the right audience."},
	SpecialURL:         {"Answered by the gate", "The address asked something of the gate itself, which did it. The application was not told."},
	SpecialURLInvalid:  {"Address not accepted", "The address seems to ask something of the gate itself (gcp-iap-mode, /_gcp_iap/), but it is not spelled exactly, says it twice, or asks for a test that does not exist. It was not passed on. Check its spelling."},
	SpecialURLRefused:  {"This cannot be done in this way", "What the address asks of the gate is for a person who opens it in a browser: not for a form, a script, a page of another site or a program with a token. Open the address in a window of its own."},
	NoExternalPeople:   {"Nobody to sign out", "This application has no people from Identity Platform, so there is no such session to end. To sign out of the application, use gcp-iap-mode=CLEAR_LOGIN_COOKIE."},
	NotGranted:         {"You don't have access", "You are signed in, but nobody has given this account access to this application. Ask an administrator to add it, or use another account."},
	PrincipalSuspended: {"This account is suspended", "The account exists but has been switched off. Ask an administrator to enable it, or use another account."},
	TargetInvalid:      {"Address not accepted", "The address of this request has a form that different programs read differently, so it was not passed on."},
	TargetAmbiguous:    {"Address not accepted", "The address of this request could mean two different applications, so it was not passed on."},
	HostInvalid:        {"Address not accepted", "The host name of this request is malformed or is given twice, differently."},
	HostUnknown:        {"Nothing here", "No application is published under this host name. Check the address."},
	DomainRefused:      {"Address not accepted", "This application may not be reached under this host name: it is not among the allowed domains of its settings. Use the application's own address, or ask an administrator."},
	HostConflict:       {"Another connection is needed", "This host name does not belong on the encrypted connection that the request came over. Open the address again; a program must name the host of the request when it connects (SNI)."},
	ProxyConflict:      {"The proxy in front contradicts itself", "A trusted proxy passed on forwarding headers that cannot be read or that disagree about who asks. Its administrator should let it replace X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host and Forwarded, or remove those that it does not set."},
	RedirectLoop:       {"This address leads back to itself", "The way to https from here comes back here, so it was not taken. The administrator has to change the configuration."},
	PathUnknown:        {"Nothing here", "No application is published under this path. Check the address."},
	MethodRefused:      {"Method not accepted", "This gate opens no tunnels (CONNECT), and has no request sent back as it reached the application (TRACE). Use another method."},
	SnapshotStale:      {"Temporarily closed", "The gate has not been able to confirm its policy for a while, so it lets nobody in. Try again in a few minutes."},
	StoreFailed:        {"Temporarily closed", "Your session could not be looked up. Try again in a moment."},
	AttributesFailed:   {"Temporarily closed", "What this application is to be told about you could not be worked out. Tell an administrator: the attribute propagation of its settings has to be corrected."},
	SigningFailed:      {"Temporarily closed", "No signing key is available, so nobody can be vouched for. Try again in a moment."},
	RecordFailed:       {"Temporarily closed", "The gate cannot record who enters right now, and lets nobody in unrecorded. Try again in a few minutes."},
	UpstreamFailed:     {"The application did not answer", "You may use this application, but it cannot be reached right now. Try again in a moment."},
	SignInRefused:      {"Sign-in was not completed", "This step of signing in is no longer valid: it may be too old, already used, or begun in another browser. Start again."},

	HeaderTooLarge: {"Your browser sends too much with each request", "The header of this request is longer than this site takes. Nearly always that is cookies that have piled up: delete the cookies of this site, also those of the domain above it, and open the address again."},
	URLTooLong:     {"Address too long", "The address of this request is longer than this site takes. Check the link; a program should send that much in a body."},
	BodyTooLarge:   {"Too much was sent", "What was to be uploaded is larger than this application takes. Send less, or ask an administrator to raise maxBodyBytes of the service."},
	BodyTooSlow:    {"The upload stopped", "What was to be uploaded stopped arriving, so it was not waited for any longer. Check the connection and try again."},

	ConfirmationDue:       {"Confirming your sign-in", "Your organisation's sign-in is asked whether you are still signed in there."},
	SignInTooOld:          {"Sign in again", "This application asks for a recent sign-in, or for a second factor or a security key. Programs that act for a person cannot give that; a service account can be used instead."},
	SignInUnproved:        {"Sign-in was not enough", "This application asks for a recent sign-in, or for a second factor or a security key, and your organisation's sign-in did not confirm that. Start again and use what your organisation gave you for this; if it happens again, tell an administrator."},
	SignInDeclined:        {"Sign-in was declined", "Your organisation's sign-in was cancelled or did not let you continue. Start again, or ask an administrator."},
	AddressRefused:        {"This account cannot be used here", "Your organisation's sign-in worked, but it may not vouch for the address that it gave, or has not verified it. Use another account, or ask an administrator."},
	ProviderUnavailable:   {"Sign-in is not available right now", "Your organisation's sign-in does not answer. Try again in a minute."},
	ProviderMisconfigured: {"Sign-in is not set up correctly", "Your organisation's sign-in and this gate do not accept each other's settings. An administrator has to correct them."},
	ProviderTokenInvalid:  {"Sign-in was not completed", "Your organisation's sign-in gave an answer that cannot be relied on. Start again; if it happens again, tell an administrator."},

	PublicPath:    {"Let through", "This path is open to everybody for this method. The application was told nobody's name."},
	CORSPreflight: {"Answered by the gate", "A browser asked whether a page of another origin may send a request. The origin is one that the service names."},
	SignInLoops:   {"Signing in leads back to signing in", "You have been sent round in a circle, so that was stopped here."},
	ReturnRefused: {"Address not accepted", "The link names an address to go on to after signing in, and that is none of this application's."},
}
