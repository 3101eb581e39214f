package conformance

import (
	"net/http"
	"strings"
	"testing"
)

func TestTheLanguageIsGuessedFromWhatServersSay(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]Language{
		"Server: gunicorn/21.2.0":                  Python,
		"Server: gunicorn":                         Python,
		"Server: Werkzeug/2.2.2 Python/3.11.2":     Python,
		"Server: BaseHTTP/0.6 Python/3.11.2":       Python,
		"Server: uvicorn":                          Python,
		"Server: TornadoServer/6.2":                Python,
		"X-Powered-By: Express":                    Node,
		"X-Powered-By: Next.js":                    Node,
		"Server: Jetty(9.4.51)":                    Java,
		"Server: Apache-Coyote/1.1":                Java,
		"X-Powered-By: Servlet/3.1":                Java,
		"X-Powered-By: Phusion Passenger(R) 6":     Ruby,
		"Server: WEBrick/1.6.1 (Ruby/2.7.0)":       Ruby,
		"Server: unicorn 6":                        Ruby,
		"X-Powered-By: PHP/8.2.7":                  PHP,
		"Server: Apache/2.4 (Debian) PHP/8.2":      PHP,
		"Server: Kestrel":                          CSharp,
		"X-Powered-By: ASP.NET":                    CSharp,
		"X-AspNet-Version: 4.0.30319":              CSharp,
		"Server: nginx":                            "",
		"Server: Apache/2.4.57 (Debian)":           "",
		"Date: Mon, 01 Jan 2024 00:00:00 GMT":      "",
		"X-Other: Express":                         "",
		"Server: nothing\nX-Powered-By: Express 4": Node,
	} {
		header := http.Header{}
		for line := range strings.SplitSeq(said, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			header.Set(name, value)
		}
		if got := Detect(header); got != want {
			t.Errorf("%q is %q, not %q", said, got, want)
		}
	}
}

func TestEveryFaultHasARemedyInEveryLanguage(t *testing.T) {
	t.Parallel()
	for _, language := range Languages() {
		for _, fault := range []Fault{Unverified, Signature, Algorithm, Key, Times, Audience, Issuer, Place, Form} {
			if remedy := RemedyFor(fault, language); remedy.Text == "" {
				t.Errorf("%s in %s: %+v", fault, language, remedy)
			}
		}
		if got := LibrariesFor(language); len(got) != 1 || len(got[0]) < 40 {
			t.Errorf("in %s: %v", language, got)
		}
	}
	if got := LibrariesFor(""); len(got) != len(Languages()) {
		t.Errorf("in any language: %v", got)
	}
}

func TestProbesAreNamedOnceAndSayWhatTheySend(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, probe := range Probes() {
		if seen[probe.ID] || probe.ID == "" || probe.Title == "" || texts[probe.Fault] == "" {
			t.Errorf("%+v", probe)
		}
		seen[probe.ID] = true
	}
}

func TestKeysAreReadInEitherForm(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want string // the id of the key that is usable; "": an error
	}{
		"a JWK set":             {`{"keys":[` + testJWK + `]}`, "AbCd-1"},
		"a map of PEM":          {`{"AbCd-1":` + testPEM + `}`, "AbCd-1"},
		"no JSON":               {`<html>`, ""},
		"a JWK set of RSA keys": {`{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]}`, ""},
		"a map of anything":     {`{"a":1}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := map[string]string{}
			err := parsePublished([]byte(test.text), got)
			if (err == nil) != (test.want != "") || test.want != "" && got[test.want] == "" {
				t.Errorf("it has %v, %v", got, err)
			}
		})
	}
}

const (
	testJWK = `{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"AbCd-1","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}`
	testPEM = `"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n"`
)

// FuzzPublishedKeys: a server of keys says what it likes. Forgeries are made with whatever was read.
func FuzzPublishedKeys(f *testing.F) {
	f.Add(`{"keys":[` + testJWK + `]}`)
	f.Add(`{"AbCd-1":` + testPEM + `}`)
	f.Add(`{"keys":{}}`)
	f.Fuzz(func(t *testing.T, text string) {
		read := map[string]string{}
		if parsePublished([]byte(text), read) != nil || len(read) == 0 {
			return
		}
		keys := &published{ids: sortedNames(read), pem: read, jwk: read}
		keys.prefer("AbCd-1")
		keys.pemSecrets()
		keys.jwkSecrets()
	})
}

// FuzzGenuine: what is handed over as a genuine assertion is taken apart and put together in other ways.
func FuzzGenuine(f *testing.F) {
	forger, err := newForger()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(forger.es256(object{"alg": "ES256", "kid": "a"}, object{"aud": "b"}))
	f.Add("e30.e30." + encode(make([]byte, 64)))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		genuine, claims, ok := parseCompact(token)
		if !ok {
			return
		}
		genuine.keyID()
		k := &kit{genuine: genuine, genuineClaims: claims, forger: forger}
		for _, variants := range []func(*kit) []string{signatureDER, signatureTrailing, encodings, signatureTruncated} {
			for _, text := range variants(k) {
				if text == token {
					t.Errorf("a changed assertion is the genuine one: %q", token)
				}
			}
		}
		payloadSwapped(k)
	})
}

// FuzzAnswer: an application answers what it likes.
func FuzzAnswer(f *testing.F) {
	f.Add(302, "Location", "//evil\x00", "intruder@example.com")
	f.Add(200, "Server", "gunicorn", "")
	f.Fuzz(func(t *testing.T, status int, name, value, body string) {
		header := http.Header{name: {value}}
		Detect(header)
		answer := &Answer{Path: "/", Status: status, Location: value, Names: names(header, []byte(body), nil, stranger("intruder@example.com"))}
		j := &judge{refused: []int{401, 403}, good: map[string]*Answer{"/": {Status: 200}}}
		if j.read(answer); answer.Verdict.gravity() < 0 {
			t.Errorf("%+v has no verdict", answer)
		}
		if answer.Verdict == Refused && status >= 200 && status < 400 {
			t.Errorf("%d was taken for a refusal", status)
		}
	})
}
