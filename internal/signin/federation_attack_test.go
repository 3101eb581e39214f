package signin_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// nobody fails unless a page lets nobody in, and no session was opened.
func (f *federation) nobody(t *testing.T, p page) {
	t.Helper()
	if p.StatusCode < 400 || strings.HasPrefix(p.body, "Hello") {
		t.Errorf("it got in: %s: %.300s", p.Status, p.body)
	}
	if p.Header.Get("X-Goog-IAP-Generated-Response") != "true" {
		t.Error("the answer is not marked as ours")
	}
	if n := len(f.sessions(t)); n != 0 {
		t.Errorf("%d sessions were opened", n)
	}
}

// logged fails unless the log says why.
func (f *federation) logged(t *testing.T, cause string) {
	t.Helper()
	if !strings.Contains(f.log.String(), cause) {
		t.Errorf("the log does not say %q:\n%s", cause, f.log)
	}
}

func TestAttacksOnTheAddress(t *testing.T) {
	t.Parallel()
	address := func(email any) map[string]any { return map[string]any{"email": email, "email_verified": true} }
	for name, test := range map[string]struct {
		claims map[string]any
		cause  string
	}{
		"an address of a domain that the provider is not configured for": {address("alice@other.example"), "not of a domain"},
		"an address of a subdomain":                                      {address("alice@sub.corp.example"), "not of a domain"},
		"an address of a parent domain":                                  {address("alice@example"), "not of a domain"},
		"two @, ours last":                                               {address("alice@evil.test@corp.example"), "exactly one @"},
		"two @, ours first":                                              {address("alice@corp.example@evil.test"), "exactly one @"},
		"a quoted local part":                                            {address(`"alice@evil.test"@corp.example`), "exactly one @"},
		"a comment":                                                      {address("alice(x)@corp.example"), "may not have"},
		"a display name":                                                 {address("Alice <alice@corp.example>"), "address"},
		"a list":                                                         {address("alice@corp.example,eve@evil.test"), "address"},
		"a line break":                                                   {address("alice@corp.example\r\nX: y"), "address"},
		"a null byte":                                                    {address("alice@corp.example\x00.evil.test"), "address"},
		"a dot at the end":                                               {address("alice@corp.example."), "empty"},
		"two dots":                                                       {address("alice@corp..example"), "empty"},
		"a Cyrillic look-alike in the domain":                            {address("alice@cоrp.example"), "other than letters"},
		"a Cyrillic look-alike before the @":                             {address("аlice@corp.example"), "may not have"},
		"a letter that folds to ASCII in Unicode only":                   {address("alice@corp.example\u212a"), "other than letters"},
		"a dotless i":                                                    {address("al\u0131ce@corp.example"), "may not have"},
		"a full-width @":                                                 {address("alice＠corp.example"), "exactly one @"},
		"a soft hyphen":                                                  {address("al\u00adice@corp.example"), "may not have"},
		"none":                                                           {map[string]any{"email_verified": true}, "it sent none"},
		"null":                                                           {address(nil), "it sent none"},
		"a list of one":                                                  {address([]string{"alice@corp.example"}), "it sent none"},
		"an object":                                                      {address(map[string]any{"value": "alice@corp.example"}), "it sent none"},
		"only under another spelling":                                    {map[string]any{"Email": "alice@corp.example", "email_verified": true}, "it sent none"},
		"not verified":                                                   {map[string]any{"email": "alice@corp.example", "email_verified": false}, "email_verified is not true"},
		"nothing said of verification":                                   {map[string]any{"email": "alice@corp.example"}, "email_verified is not true"},
		`verified "true"`:                                                {map[string]any{"email": "alice@corp.example", "email_verified": "true"}, "email_verified is not true"},
		"verified 1":                                                     {map[string]any{"email": "alice@corp.example", "email_verified": 1}, "email_verified is not true"},
		"verified null":                                                  {map[string]any{"email": "alice@corp.example", "email_verified": nil}, "email_verified is not true"},
		"verified [true]":                                                {map[string]any{"email": "alice@corp.example", "email_verified": []bool{true}}, "email_verified is not true"},
		"verified under another spelling":                                {map[string]any{"email": "alice@corp.example", "Email_Verified": true}, "email_verified is not true"},
		"hd of somebody else":                                            {map[string]any{"email": "alice@corp.example", "email_verified": true, "hd": "evil.test"}, "hd is evil.test"},
		"hd that is no text":                                             {map[string]any{"email": "alice@corp.example", "email_verified": true, "hd": []string{"corp.example"}}, "hd"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			f.corp.As(oidctest.Person{Subject: "mallory", Claims: test.claims})
			p := newBrowser(t, f.world).get(appURL + "/")
			f.nobody(t, p)
			f.logged(t, test.cause)
			if p.StatusCode != http.StatusForbidden || !strings.Contains(p.body, "address_refused") {
				t.Errorf("%s: %s", p.Status, p.body)
			}
		})
	}
}

func TestAnAddressIsFoldedInASCIIOnly(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	f.corp.SignedIn("alice-at-corp", "ALICE@Corp.EXAMPLE")
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
}

func TestASecondProviderAssertsAnAddressOfTheFirsts(t *testing.T) {
	t.Parallel()
	for name, domains := range map[string][]string{"its own domains": {"partner.example"}, "every domain that nobody lists": {"*"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withPartner(t)
			f.use(t, f.corpProvider(), f.describe("partner", f.partner, domains...))
			f.partner.As(oidctest.Person{Subject: "mallory", Claims: map[string]any{
				"email": "alice@corp.example", "email_verified": true, "hd": "corp.example",
			}})
			b := newBrowser(t, f.world)
			asked := b.get(appURL + "/")
			f.nobody(t, b.post("/signin/address", map[string]string{"state": asked.field("state"), "email": "pat@partner.example"}))
			f.logged(t, "not of a domain")
		})
	}
}

func TestASecondProviderNamesTheFirstsOrganisationAndGroups(t *testing.T) {
	t.Parallel()
	f := withPartner(t)
	partner := f.partnerProvider()
	partner.Groups = &identityprovider.GroupsClaim{}
	f.use(t, f.corpProvider(), partner)
	f.partner.As(oidctest.Person{Subject: "pat", Claims: map[string]any{
		"email": "pat@partner.example", "email_verified": true, "hd": "corp.example",
	}})
	b := newBrowser(t, f.world)
	asked := b.get(appURL + "/")
	f.nobody(t, b.post("/signin/address", map[string]string{"state": asked.field("state"), "email": "pat@partner.example"}))
	f.logged(t, "hd is corp.example")
}

func TestAnAccountThatIsSwitchedOffHereDoesNotComeInByAProvider(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	f.create(t, "alice@corp.example", "unused")
	b := newBrowser(t, f.world)
	b.get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	f.disable(t, "alice@corp.example")
	for _, r := range f.sessions(t) {
		f.Sessions.End(r.ID)
		if _, err := f.db.EndSessions(t.Context(), session.Filter{ID: r.ID}); err != nil {
			t.Fatal(err)
		}
	}
	f.nobody(t, newBrowser(t, f.world).get(appURL+"/"))
	f.logged(t, "switched off here")
}

// Every claim and header of the ID token that a check hangs on.
func TestAttacksOnTheIDToken(t *testing.T) {
	t.Parallel()
	stranger := oidctest.NewKey(t, "first") // the name of the right key
	weak := oidctest.NewRSAKey(t, "weak", 1024)
	now := time.Now().Unix()
	for name, test := range map[string]struct {
		bend  oidctest.Bends
		cause string
	}{
		"of another issuer":                           {oidctest.Bends{Claims: set("iss", "https://evil.test")}, "different provider"},
		"of the issuer with a slash":                  {oidctest.Bends{Claims: func(c map[string]any) { c["iss"] = c["iss"].(string) + "/" }}, "different provider"},
		"of no issuer":                                {oidctest.Bends{Claims: remove("iss")}, "different provider"},
		"of Google's name without scheme":             {oidctest.Bends{Claims: set("iss", "accounts.google.com")}, "different provider"},
		"of another client":                           {oidctest.Bends{Claims: set("aud", "another-client")}, "audience"},
		"of no client":                                {oidctest.Bends{Claims: remove("aud")}, "audience"},
		"of several clients, party unsaid":            {oidctest.Bends{Claims: set("aud", []string{"0oa-corp", "another"})}, "azp"},
		"given to another client":                     {oidctest.Bends{Claims: set("azp", "another-client")}, "azp"},
		"for us among several, theirs":                {oidctest.Bends{Claims: func(c map[string]any) { c["aud"], c["azp"] = []string{"0oa-corp", "another"}, "another" }}, "azp"},
		"with a party that is no text":                {oidctest.Bends{Claims: set("azp", []string{"0oa-corp"})}, "azp"},
		"with the nonce of another attempt":           {oidctest.Bends{Claims: set("nonce", "another")}, "nonce"},
		"without nonce":                               {oidctest.Bends{Claims: remove("nonce")}, "nonce"},
		"with an empty nonce":                         {oidctest.Bends{Claims: set("nonce", "")}, "nonce"},
		"without end":                                 {oidctest.Bends{Claims: remove("exp")}, "exp"},
		"ended":                                       {oidctest.Bends{Claims: set("exp", now-600)}, "expired"},
		"with an end that is no time":                 {oidctest.Bends{Claims: set("exp", "tomorrow")}, ""},
		"with an end beyond all time":                 {oidctest.Bends{Claims: set("exp", 1e300)}, ""},
		"without beginning":                           {oidctest.Bends{Claims: remove("iat")}, "iat"},
		"from the future":                             {oidctest.Bends{Claims: set("iat", now+3600)}, "future"},
		"not valid yet":                               {oidctest.Bends{Claims: set("nbf", now+3600)}, "not valid for"},
		"without subject":                             {oidctest.Bends{Claims: remove("sub")}, "subject"},
		"with a subject that is no text":              {oidctest.Bends{Claims: set("sub", 7)}, ""},
		"with an endless subject":                     {oidctest.Bends{Claims: set("sub", strings.Repeat("a", 256))}, "subject"},
		"with a line break in the subject":            {oidctest.Bends{Claims: set("sub", "a\nb")}, "control"},
		"that goes with another access token":         {oidctest.Bends{Claims: set("at_hash", base64.RawURLEncoding.EncodeToString(make([]byte, 16)))}, "access token"},
		"that names its own key set":                  {oidctest.Bends{Header: set("jku", "https://evil.test/keys")}, "jku"},
		"that carries its key":                        {oidctest.Bends{Header: set("jwk", stranger.Public())}, "jwk"},
		"that carries its certificate":                {oidctest.Bends{Header: set("x5c", []string{"AAAA"})}, "x5c"},
		"that names its certificate":                  {oidctest.Bends{Header: set("x5u", "https://evil.test/cert")}, "x5u"},
		"with a critical header":                      {oidctest.Bends{Header: func(h map[string]any) { h["crit"], h["exp"] = []string{"exp"}, 1 }}, "crit"},
		"compressed":                                  {oidctest.Bends{Header: set("zip", "DEF")}, "zip"},
		"that is an access token":                     {oidctest.Bends{Header: set("typ", "at+jwt")}, "type"},
		"that is a logout token":                      {oidctest.Bends{Header: set("typ", "logout+jwt")}, "type"},
		"signed by a stranger's key of the same name": {oidctest.Bends{Sign: func(h, c map[string]any) string { return oidctest.Sign(stranger, h, c) }}, "signature"},
		"signed by an unknown key":                    {oidctest.Bends{Header: set("kid", "../../etc/passwd")}, "does not publish"},
		"signed with none": {oidctest.Bends{Sign: func(h, c map[string]any) string {
			h["alg"] = "none"
			return oidctest.Encode(h) + "." + oidctest.Encode(c) + "."
		}}, ""},
		"signed with None": {oidctest.Bends{Sign: func(h, c map[string]any) string {
			h["alg"] = "None"
			return oidctest.Encode(h) + "." + oidctest.Encode(c) + "."
		}}, ""},
		"without signature":                   {oidctest.Bends{Sign: func(h, c map[string]any) string { return oidctest.Encode(h) + "." + oidctest.Encode(c) + "." }}, ""},
		"signed with the client's secret":     {oidctest.Bends{Sign: hs256("secret of 0oa-corp")}, ""},
		"in JSON":                             {oidctest.Bends{Sign: func(h, c map[string]any) string { return inJSON(oidctest.Sign(stranger, h, c)) }}, "compact"},
		"that is too large":                   {oidctest.Bends{Claims: set("filler", strings.Repeat("a", 70_000))}, "larger"},
		"that is no token":                    {oidctest.Bends{Token: set("id_token", "opaque")}, "compact"},
		"that is missing":                     {oidctest.Bends{Token: remove("id_token")}, "no ID token"},
		"that is no text":                     {oidctest.Bends{Token: set("id_token", map[string]any{})}, "no ID token"},
		"by a key that is not for signatures": {oidctest.Bends{Keys: func(d map[string]any) { d["keys"] = []any{bent(d, "use", "enc")} }}, "does not publish"},
		"by a key for another algorithm":      {oidctest.Bends{Keys: func(d map[string]any) { d["keys"] = []any{bent(d, "alg", "ES384")} }}, "does not publish"},
		"by a key that is too weak": {oidctest.Bends{
			Keys: func(d map[string]any) { d["keys"] = []any{weak.Public()} },
			Sign: func(h, c map[string]any) string {
				h["alg"], h["kid"] = "RS256", "weak"
				return oidctest.Sign(weak, h, c)
			},
		}, "does not publish"},
		"by one of no keys":        {oidctest.Bends{Keys: set("keys", []any{})}, "does not publish"},
		"by keys that are no list": {oidctest.Bends{Keys: set("keys", "all")}, "keys"},
		"by one of too many keys":  {oidctest.Bends{Keys: set("keys", make([]any, 1000))}, "more than"},
		"by a shared secret published": {oidctest.Bends{
			Keys: func(d map[string]any) {
				d["keys"] = append(d["keys"].([]any), map[string]any{"kty": "oct", "kid": "s", "k": "c2VjcmV0"})
			},
			Sign: func(h, c map[string]any) string { h["kid"] = "s"; return hs256("secret")(h, c) },
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			f.corp.Bend(test.bend)
			f.nobody(t, newBrowser(t, f.world).get(appURL+"/"))
			f.logged(t, test.cause)
		})
	}
}

// hs256 signs with a shared secret.
func hs256(secret string) func(header, claims map[string]any) string {
	return func(header, claims map[string]any) string {
		header["alg"] = "HS256"
		signed := oidctest.Encode(header) + "." + oidctest.Encode(claims)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(signed))
		return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
}

// inJSON writes a token in JWS's JSON form.
func inJSON(token string) string {
	parts := strings.Split(token, ".")
	text, err := json.Marshal(map[string]string{"protected": parts[0], "payload": parts[1], "signature": parts[2]})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// bent is the published key with one member changed.
func bent(document map[string]any, name string, value any) map[string]any {
	text, err := json.Marshal(document["keys"].([]any)[0])
	if err != nil {
		panic(err)
	}
	var key map[string]any
	if err := json.Unmarshal(text, &key); err != nil {
		panic(err)
	}
	key[name] = value
	return key
}

func TestAttacksOnDiscoveryAndEndpoints(t *testing.T) {
	t.Parallel()
	huge := `{"issuer":"` + strings.Repeat("a", 2<<20) + `"}`
	elsewhere := func(path string) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == path {
				http.Redirect(w, r, "http://"+r.Host+"/elsewhere"+path, http.StatusTemporaryRedirect)
			}
			return r.URL.Path == path
		}
	}
	for name, test := range map[string]struct {
		bend  oidctest.Bends
		cause string
	}{
		"another issuer":                         {oidctest.Bends{Discovery: set("issuer", "https://evil.test")}, "evil.test"},
		"no issuer":                              {oidctest.Bends{Discovery: remove("issuer")}, "issuer"},
		"no token endpoint":                      {oidctest.Bends{Discovery: remove("token_endpoint")}, "token_endpoint"},
		"a token endpoint that is no URL":        {oidctest.Bends{Discovery: set("token_endpoint", "javascript:alert(1)")}, "token_endpoint"},
		"a token endpoint that is no text":       {oidctest.Bends{Discovery: set("token_endpoint", []string{"x"})}, "discovery"},
		"keys from a file":                       {oidctest.Bends{Discovery: set("jwks_uri", "file:///etc/passwd")}, "jwks_uri"},
		"an authorization endpoint with script":  {oidctest.Bends{Discovery: set("authorization_endpoint", "javascript:alert(1)")}, "authorization_endpoint"},
		"an endpoint with a password":            {oidctest.Bends{Discovery: set("token_endpoint", "https://a:b@evil.test/")}, "token_endpoint"},
		"an endpoint at the cloud's metadata":    {oidctest.Bends{Discovery: set("token_endpoint", "http://169.254.169.254/latest")}, "not a public address"},
		"keys in a private network":              {oidctest.Bends{Discovery: set("jwks_uri", "http://10.0.0.1/keys")}, "not a public address"},
		"keys in a private network, IPv6":        {oidctest.Bends{Discovery: set("jwks_uri", "http://[fd00::1]/keys")}, "not a public address"},
		"keys in a private network, mapped":      {oidctest.Bends{Discovery: set("jwks_uri", "http://[::ffff:10.0.0.1]/keys")}, "not a public address"},
		"discovery redirected":                   {oidctest.Bends{Serve: elsewhere("/.well-known/openid-configuration")}, "not followed"},
		"keys redirected":                        {oidctest.Bends{Serve: elsewhere("/keys")}, "not followed"},
		"the code redirected":                    {oidctest.Bends{Serve: elsewhere("/token")}, "not followed"},
		"discovery without end":                  {oidctest.Bends{Serve: says("/.well-known/openid-configuration", 200, huge)}, "larger than"},
		"keys without end":                       {oidctest.Bends{Serve: says("/keys", 200, huge)}, "larger than"},
		"a token answer without end":             {oidctest.Bends{Serve: says("/token", 200, huge)}, "token endpoint"},
		"discovery that is no JSON":              {oidctest.Bends{Serve: says("/.well-known/openid-configuration", 200, "<html>")}, "discovery"},
		"a token answer that is no JSON":         {oidctest.Bends{Serve: says("/token", 200, "<html>")}, "token endpoint"},
		"a token answer that says error and 200": {oidctest.Bends{Serve: says("/token", 200, `{"error":"invalid_grant"}`)}, "invalid_grant"},
		"a token answer without access token":    {oidctest.Bends{Token: remove("access_token")}, "access_token"},
		"a connection that ends":                 {oidctest.Bends{Serve: hangUp("/token")}, "token endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			f.corp.Bend(test.bend)
			f.nobody(t, newBrowser(t, f.world).get(appURL+"/"))
			f.logged(t, test.cause)
			if f.corp.Calls("/elsewhere/token") != 0 {
				t.Error("code and secret were sent where a redirect led")
			}
		})
	}
}

// hangUp closes the connection without an answer.
func hangUp(path string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = conn.Close()
		}
		return true
	}
}

// left opens the application and stops at the provider's door; it returns the address there.
func (f *federation) left(t *testing.T, b *browser) *url.URL {
	t.Helper()
	release := b.step()
	defer release()
	begun := b.get(appURL + "/x")
	departed := b.get(begun.Header.Get("Location"))
	address, err := url.Parse(departed.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(address.String(), f.corp.Issuer) {
		t.Fatalf("it does not lead to the provider: %s %s", departed.Status, departed.body)
	}
	return address
}

// answer lets the provider answer and returns the address that the browser is sent back to.
func (f *federation) answer(t *testing.T, b *browser, at *url.URL) *url.URL {
	t.Helper()
	release := b.step()
	defer release()
	back, err := url.Parse(b.get(at.String()).Header.Get("Location"))
	if err != nil || back.Host != authHost {
		t.Fatalf("the provider does not send back: %v", back)
	}
	return back
}

// with changes a parameter of an address; an empty value removes it.
func with(u *url.URL, name, value string) string {
	query := u.Query()
	query.Set(name, value)
	if value == "" {
		query.Del(name)
	}
	changed := *u
	changed.RawQuery = query.Encode()
	return changed.String()
}

func TestAttacksOnTheAnswer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		attack func(t *testing.T, f *federation, b *browser) page
		cause  string
	}{
		"the state dropped": {func(t *testing.T, f *federation, b *browser) page {
			return b.get(with(f.answer(t, b, f.left(t, b)), "state", ""))
		}, "state is missing"},
		"the state damaged": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			return b.get(with(back, "state", back.Query().Get("state")[1:]))
		}, "state is missing, damaged"},
		"the application's state in place of the provider's": {func(t *testing.T, f *federation, b *browser) page {
			release := b.step()
			begun, err := url.Parse(b.get(appURL + "/").Header.Get("Location"))
			release()
			if err != nil {
				t.Fatal(err)
			}
			return b.get(with(f.answer(t, b, f.left(t, b)), "state", begun.Query().Get("state")))
		}, "state is missing, damaged"},
		"the state twice": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			return b.get(back.String() + "&state=" + back.Query().Get("state"))
		}, "more than once"},
		"the code twice": {func(t *testing.T, f *federation, b *browser) page {
			return b.get(f.answer(t, b, f.left(t, b)).String() + "&code=x")
		}, "more than once"},
		"the state after ten minutes": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			f.clock.advance(10 * time.Minute)
			return f.begunAnew(t, b, back.String())
		}, "older than 10 minutes"},
		"the answer in another browser": {func(t *testing.T, f *federation, b *browser) page {
			return f.begunAnew(t, newBrowser(t, f.world), f.answer(t, b, f.left(t, b)).String())
		}, "another browser"},
		"the answer in another browser that has left too": {func(t *testing.T, f *federation, b *browser) page {
			victim := newBrowser(t, f.world)
			f.left(t, victim)
			return f.begunAnew(t, victim, f.answer(t, b, f.left(t, b)).String())
		}, "another browser"},
		"the attacker's code with the victim's state": {func(t *testing.T, f *federation, b *browser) page {
			victim := newBrowser(t, f.world)
			theirs := f.answer(t, victim, f.left(t, victim))
			mine := f.answer(t, b, f.left(t, b))
			return victim.get(with(theirs, "code", mine.Query().Get("code")))
		}, "invalid_grant"}, // PKCE: the code was asked for with another challenge
		"a code that the provider redeems without PKCE": {func(t *testing.T, f *federation, b *browser) page {
			victim := newBrowser(t, f.world)
			theirs := f.answer(t, victim, f.left(t, victim))
			at := f.left(t, b)
			asked, err := url.Parse(with(at, "code_challenge", f.challengeOf(t, 0)))
			if err != nil {
				t.Fatal(err)
			}
			mine := f.answer(t, b, asked)
			return victim.get(with(theirs, "code", mine.Query().Get("code")))
		}, "nonce"},
		"the code replayed": {func(t *testing.T, f *federation, b *browser) page {
			at := f.left(t, b)
			back := f.answer(t, b, at)
			second := newBrowser(t, f.world)
			theirs := f.answer(t, second, f.left(t, second))
			f.corp.Bend(oidctest.Bends{Claims: set("sub", "")}) // the first use fails, after the code is spent
			b.get(back.String())
			f.corp.Bend(oidctest.Bends{})
			return second.get(with(theirs, "code", back.Query().Get("code")))
		}, "invalid_grant"},
		"no code": {func(t *testing.T, f *federation, b *browser) page {
			return b.get(with(f.answer(t, b, f.left(t, b)), "code", ""))
		}, "neither code nor error"},
		"a provider that was removed meanwhile": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			f.view.Store(identityprovider.NewView([]identityprovider.Provider{{Name: "local", Kind: identityprovider.Local, Domains: []string{"*"}}}))
			return b.get(back.String())
		}, "removed, switched off or replaced"},
		"a provider that was switched off meanwhile": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			off := f.corpProvider()
			off.Disabled = true
			f.use(t, off)
			return b.get(back.String())
		}, "removed, switched off or replaced"},
		"an application that is gone meanwhile": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			f.gone[appHost] = true
			return b.get(back.String())
		}, "no longer served"},
		"the answer as a form": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			r := request(t, http.MethodPost, back.Scheme+"://"+back.Host+back.Path, back.RawQuery)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return b.do(r)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			f.nobody(t, test.attack(t, f, newBrowser(t, f.world)))
			f.logged(t, test.cause)
		})
	}
}

// begunAnew opens the address of an answer that is no good to the browser. It is sent back to begin anew, with nothing
// of what the answer says; the provider has not been asked about it. It returns the answer's page as one that refuses.
func (f *federation) begunAnew(t *testing.T, b *browser, answer string) page {
	t.Helper()
	before := f.corp.Calls("/token")
	release := b.step()
	defer release()
	p := b.get(answer)
	to := p.Header.Get("Location")
	if p.StatusCode != http.StatusFound || !strings.HasPrefix(to, appURL+"/x?gcp-iap-mode=AUTHENTICATING&gatehouse_restart=") || f.corp.Calls("/token") != before {
		t.Errorf("%s to %s, %d codes redeemed", p.Status, to, f.corp.Calls("/token")-before)
	}
	for _, c := range p.Cookies() {
		if c.MaxAge >= 0 {
			t.Errorf("it sets %s", c.Name)
		}
	}
	p.StatusCode = http.StatusBadRequest
	return p
}

// challengeOf is the PKCE challenge of an authorization request that the provider has seen.
func (f *federation) challengeOf(t *testing.T, i int) string {
	t.Helper()
	all := f.corp.AllAsked()
	if i >= len(all) {
		t.Fatalf("the provider was asked %d times", len(all))
	}
	return all[i].Get("code_challenge")
}

func TestAnAnswerIsTakenOnce(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	b := newBrowser(t, f.world)
	back := f.answer(t, b, f.left(t, b))
	b.get(back.String()).wantHello(t, "alice@corp.example", appHost+"/x")
	f.begunAnew(t, b, back.String())
	b.get(back.String()).wantHello(t, "alice@corp.example", appHost+"/x") // as one was
	f.logged(t, "another browser")                                        // its cookie is gone
	if n := len(f.sessions(t)); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// Mix-up (RFC 9207, RFC 9700 4.4): a hostile provider makes the browser carry an honest one's answer to where ours
// takes it for the hostile one's, or the other way round.
func TestMixUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		attack func(t *testing.T, f *federation, b *browser) page
		cause  string
	}{
		"the honest provider's answer, with the hostile one's state, at the hostile one's redirect URI": {
			func(t *testing.T, f *federation, b *browser) page {
				// The hostile partner sends the browser on to corp, with its own state.
				at := f.toPartner(t, b)
				query := at.Query()
				query.Set("client_id", f.corp.ClientID)
				honest, err := url.Parse(f.corp.Issuer + "/authorize?" + query.Encode())
				if err != nil {
					t.Fatal(err)
				}
				return b.get(f.answer(t, b, honest).String())
			}, "it says that it comes from"},
		"the same without iss, which the hostile provider advertises": {
			func(t *testing.T, f *federation, b *browser) page {
				at := f.toPartner(t, b)
				query := at.Query()
				query.Set("client_id", f.corp.ClientID)
				honest, err := url.Parse(f.corp.Issuer + "/authorize?" + query.Encode())
				if err != nil {
					t.Fatal(err)
				}
				return b.get(with(f.answer(t, b, honest), "iss", ""))
			}, "lacks the parameter iss"},
		"the honest provider's answer at the hostile one's redirect URI, with the honest one's state": {
			func(t *testing.T, f *federation, b *browser) page {
				back := f.answer(t, b, f.toCorp(t, b))
				back.Path = strings.Replace(back.Path, f.corp.ClientID, f.partner.ClientID, 1)
				return b.get(back.String())
			}, "another one's redirect URI"},
		"the hostile provider's answer with the honest one's state": {
			func(t *testing.T, f *federation, b *browser) page {
				honest := f.toCorp(t, b)
				back := f.answer(t, b, f.toPartner(t, b))
				return b.get(with(back, "state", honest.Query().Get("state")))
			}, "another one's redirect URI"},
		"the hostile provider's code at the honest one's redirect URI": {
			func(t *testing.T, f *federation, b *browser) page {
				back := f.answer(t, b, f.toPartner(t, b))
				honest := f.answer(t, b, f.toCorp(t, b))
				return b.get(with(honest, "code", back.Query().Get("code")))
			}, "invalid_grant"},
		"the hostile provider's error with the honest one's name": {
			func(t *testing.T, f *federation, b *browser) page {
				f.partner.Bend(oidctest.Bends{Authorize: func(a url.Values) { a.Set("iss", f.corp.Issuer); a.Set("error", "server_error") }})
				return b.get(f.toPartner(t, b).String())
			}, "it says that it comes from"},
		"the hostile provider's discovery names the honest one's endpoints and keys": {
			func(t *testing.T, f *federation, b *browser) page {
				f.partner.Bend(oidctest.Bends{Discovery: func(d map[string]any) {
					d["token_endpoint"], d["jwks_uri"] = f.corp.Issuer+"/token", f.corp.Issuer+"/keys"
					d["authorization_response_iss_parameter_supported"] = false
				}})
				at := f.toPartner(t, b)
				query := at.Query()
				query.Set("client_id", f.corp.ClientID)
				honest, err := url.Parse(f.corp.Issuer + "/authorize?" + query.Encode())
				if err != nil {
					t.Fatal(err)
				}
				return b.get(with(f.answer(t, b, honest), "iss", ""))
			}, "invalid_client"}, // not even the client is the same; the token's issuer would be next
		"an ID token of the honest provider, passed on by the hostile one": {
			func(t *testing.T, f *federation, b *browser) page {
				f.partner.Bend(oidctest.Bends{Sign: func(_, claims map[string]any) string {
					return f.corp.IDToken(oidctest.Person{Subject: "alice-at-corp", Claims: map[string]any{
						"email": "alice@corp.example", "email_verified": true,
					}}, claims["nonce"].(string))
				}})
				return b.get(f.toPartner(t, b).String())
			}, "signed by a key that the provider does not publish"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withPartner(t)
			f.corp.Rotate(oidctest.NewKey(t, "corp"))
			f.partner.Rotate(oidctest.NewKey(t, "partner"))
			f.nobody(t, test.attack(t, f, newBrowser(t, f.world)))
			f.logged(t, test.cause)
		})
	}
}

// toPartner and toCorp leave by address and stop at the provider's door.
func (f *federation) toPartner(t *testing.T, b *browser) *url.URL {
	return f.to(t, b, "pat@partner.example")
}
func (f *federation) toCorp(t *testing.T, b *browser) *url.URL {
	return f.to(t, b, "alice@corp.example")
}

func (f *federation) to(t *testing.T, b *browser, email string) *url.URL {
	t.Helper()
	asked := b.get(appURL + "/x")
	release := b.step()
	defer release()
	departed := b.post("/signin/address", map[string]string{"state": asked.field("state"), "email": email})
	at, err := url.Parse(departed.Header.Get("Location"))
	if err != nil || !strings.HasSuffix(at.Path, "/authorize") {
		t.Fatalf("%s: it does not lead to a provider: %s %s", email, departed.Status, departed.body)
	}
	return at
}
