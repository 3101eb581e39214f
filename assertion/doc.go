// Package assertion lets an application behind Identity-Aware Proxy know who is asking.
//
// Google Cloud IAP, and Gatehouse, which speaks the same protocol, sign a statement about every request that they
// let through, and put it into the header X-Goog-IAP-JWT-Assertion. This package verifies it. Whoever reaches the
// application past the proxy cannot make one.
//
// # In three lines
//
//	audience, err := assertion.DiscoverAudience(ctx)
//	verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{audience}})
//	http.ListenAndServe(":8080", verifier.Handler(app))
//
// Every request that reaches app now carries an identity:
//
//	claims, ok := assertion.FromContext(r.Context())
//	fmt.Fprintf(w, "Hello %s", claims.Email)
//
// All others are answered with 401. Use [Middleware] in place of Verifier.Handler to let health checks through, to
// log refusals, to change the answer, or to admit visitors of resources that are open to allUsers. Use
// [Verifier.VerifyRequest] or [Verifier.Verify] where there is no net/http handler to wrap.
//
// # The audience
//
// The audience names the application that an assertion was made for. It is required: without it, everybody whom
// the proxy lets into any other application could present that application's assertion here. [DiscoverAudience]
// finds it on Cloud Run and App Engine, and in the variable IAP_AUDIENCE; otherwise it is shown in the Google
// Cloud console, and printed by `gatehouse dev`. [BackendServiceAudience], [AppEngineAudience] and
// [CloudRunAudience] put it together from its parts.
//
// # The keys
//
// Without further ado the keys are Google's, at [GoogleKeysURL]. For a Gatehouse of your own, name its auth host:
//
//	keys, err := assertion.NewRemoteKeySet(assertion.RemoteConfig{URL: "https://auth.example.com/iap/verify/public_key-jwk"})
//	verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{audience}, Keys: keys})
//
// [RemoteKeySet] says how keys are cached, and what happens during rotation and while the endpoint is down.
//
// # What is promised
//
//   - What [Verifier.Verify] returns without error was signed with ES256 by a key that the proxy publishes, for one
//     of the expected audiences, and is in time, give or take [Skew]. Everything else is an [*Error] with a [Reason]
//     from a closed list.
//   - An error is never an identity. A key that cannot be fetched, a claim of the wrong type, a name that occurs
//     twice: refused.
//   - Nothing that the assertion itself says chooses the algorithm or the key, except its kid, which is looked up
//     among the published keys.
//   - The first verification of an assertion takes little longer than the ECDSA check in it, once the keys are there.
//     The second one takes less than a microsecond; it still ends at the assertion's expiry, and with its key.
//   - Only the standard library is used, and the module requires no other.
//
// # What to watch
//
//   - X-Goog-Authenticated-User-Email and X-Goog-Authenticated-User-Id are plain text that anyone can send who
//     reaches the application. Do not use them.
//   - [Claims.Subject] stays with a person for good; [Claims.Email] may change, and with Identity Platform it may be
//     unproven.
//   - An assertion says who asks, not what they may do in the application. That the proxy let them in is all that
//     is known.
//
// Package [github.com/gatehouse-iap/gatehouse/assertion/assertiontest] mints assertions, good and broken, for the
// tests of an application.
package assertion
