package conformance

// Remedy is how to mend a fault.
type Remedy struct {
	Fault Fault `json:"fault"`
	// Text holds in every language.
	Text string `json:"text"`
	// Notes are what the libraries leave to the application there.
	Notes []string `json:"notes,omitempty"`
}

// RemedyFor returns the remedy for an application in that language; "" is any.
func RemedyFor(fault Fault, language Language) Remedy {
	remedy := Remedy{Fault: fault, Text: texts[fault]}
	for _, how := range howIn(language) {
		if note := how.notes[fault]; note != "" {
			remedy.Notes = append(remedy.Notes, how.name+": "+note)
		}
	}
	return remedy
}

// LibrariesFor returns how assertions are verified in that language, by the library that is meant for it; "" is any.
func LibrariesFor(language Language) []string {
	var all []string
	for _, how := range howIn(language) {
		all = append(all, how.name+": "+how.use)
	}
	return all
}

func howIn(language Language) []how {
	if known, found := libraries[language]; found {
		return []how{known}
	}
	var all []how
	for _, language := range Languages() {
		all = append(all, libraries[language])
	}
	return all
}

var texts = map[Fault]string{
	Unverified: "Take the identity from X-Goog-IAP-JWT-Assertion alone, once it is verified, and answer 401 to every request without a good one. All other headers, X-Goog-Authenticated-User-Email and -Id among them, are written by whoever reaches the application.",
	Signature:  "Verify the signature over the whole of header and claims, ES256 with 64 bytes, by the key that the gate publishes under the assertion's kid. No such key: 401.",
	Algorithm:  "Say in the code which algorithm is accepted: ES256, and no other, whatever the token says. A public key is never the secret of an HMAC.",
	Key:        "Take keys from the gate's published set alone, by kid. Refuse an assertion without kid, with jwk, jku, x5c, x5u or crit in its header, or with a typ other than JWT.",
	Times:      "Check exp and iat, with 30 seconds of tolerance: refuse an exp that is past or missing or no number, an iat in the future or missing, and more than ten minutes between them.",
	Audience:   "Compare aud, as a string and whole, with this application's audience. Without that, whom the gate lets into any other application can enter this one.",
	Issuer:     "Compare iss, whole, with https://cloud.google.com/iap.",
	Place:      "Read the assertion from the one header X-Goog-IAP-JWT-Assertion, never from query, cookies or other headers, and refuse a request that has that header twice.",
	Form:       "Decode strictly: three parts of base64url without padding, and exactly 64 bytes of signature. Use a library that refuses everything else.",
}

// how is the verifier for one language.
type how struct {
	name, use string
	notes     map[Fault]string // what the library leaves to the application
}

var libraries = map[Language]how{
	Go: {"Go", "verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{audience}}), then verifier.Handler(app), with github.com/gatehouse-iap/gatehouse/assertion; it checks all of this.",
		map[Fault]string{
			Issuer: "Google's idtoken packages do not look at iss: compare payload.Issuer as well.",
			Times:  "Google's idtoken packages do not look at iat: compare payload.IssuedAt as well.",
			Place:  "Header.Get returns the first of several: look at len(r.Header.Values(name)).",
		}},
	Python: {"Python", `id_token.verify_token(assertion, requests.Request(), audience=AUDIENCE, certs_url="https://www.gstatic.com/iap/verify/public_key"), from google-auth.`,
		map[Fault]string{
			Issuer:    `google-auth does not look at iss: compare claims["iss"] as well. python-jose and PyJWT do when given issuer=.`,
			Times:     `python-jose lets an iat in the future pass: compare claims["iat"] with the time as well.`,
			Algorithm: `with python-jose or PyJWT, always pass algorithms=["ES256"].`,
			Key:       "python-jose, given the map of keys, tries every one of them and does not look at kid: pick the key by kid first.",
		}},
	Node: {"Node", "const {pubkeys} = await client.getIapPublicKeys(); await client.verifySignedJwtWithCertsAsync(assertion, pubkeys, AUDIENCE, ['https://cloud.google.com/iap']), from google-auth-library.",
		map[Fault]string{
			Times: "google-auth-library tolerates 300 seconds, and an exp up to a day ahead: compare exp - iat with 600 as well.",
		}},
	Java: {"Java", `TokenVerifier.newBuilder().setAudience(AUDIENCE).setIssuer("https://cloud.google.com/iap").build().verify(assertion), from com.google.auth:google-auth-library-oauth2-http.`,
		map[Fault]string{
			Issuer: "TokenVerifier looks at iss only after setIssuer.",
			Times:  "TokenVerifier does not look at iat: compare it as well.",
		}},
	Ruby: {"Ruby", "Google::Auth::IDTokens.verify_iap(assertion, aud: AUDIENCE), from googleauth.",
		map[Fault]string{
			Times: `googleauth does not look at iat: compare payload["iat"] as well.`,
			Key:   "googleauth tries every key and does not look at kid.",
		}},
	PHP: {"PHP", "(new Google\\Auth\\AccessToken())->verify($assertion, ['certsLocation' => Google\\Auth\\AccessToken::IAP_CERT_URL, 'audience' => $audience, 'throwException' => true]), from google/auth with kelvinmo/simplejwt.",
		map[Fault]string{
			Audience: "google/auth looks at aud only when 'audience' is passed.",
		}},
	CSharp: {"C#", `await JsonWebSignature.VerifySignedTokenAsync(assertion, new SignedTokenVerificationOptions { TrustedAudiences = { audience }, TrustedIssuers = { "https://cloud.google.com/iap" }, CertificatesUrl = GoogleAuthConsts.IapKeySetUrl }), from Google.Apis.Auth.`,
		map[Fault]string{
			Issuer:   "TrustedIssuers is empty unless set, and then nothing is compared.",
			Audience: "TrustedAudiences is empty unless set, and then nothing is compared.",
		}},
}
