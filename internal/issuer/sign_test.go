package issuer

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestJOSESignatureIsAlwaysSixtyFourBytes(t *testing.T) {
	t.Parallel()
	full := new(big.Int).SetBytes(bytes.Repeat([]byte{0xff}, 32))
	tests := []struct {
		name string
		r, s *big.Int
		ok   bool
	}{
		{"both parts full, so that ASN.1 puts a zero before them", full, full, true},
		{"an r that is shorter", big.NewInt(1), full, true},
		{"an s that is shorter", full, big.NewInt(0x80), true},
		{"a part that is too long", new(big.Int).Lsh(full, 8), full, false},
	}
	for _, test := range tests {
		der, err := asn1.Marshal(struct{ R, S *big.Int }{test.r, test.s})
		if err != nil {
			t.Fatal(err)
		}
		got, err := joseSignature(der)
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.ok && (len(got) != 64 || new(big.Int).SetBytes(got[:32]).Cmp(test.r) != 0 || new(big.Int).SetBytes(got[32:]).Cmp(test.s) != 0) {
			t.Errorf("%s: %x", test.name, got)
		}
	}
	for _, malformed := range [][]byte{nil, {0x30, 0}, {0x30, 3, 2, 1, 1}, {0x30, 6, 2, 1, 1, 2, 1, 1, 0}} {
		if _, err := joseSignature(malformed); err == nil {
			t.Errorf("%x was read as a signature", malformed)
		}
	}
}

func TestIDTokenSaysWhatGooglesSays(t *testing.T) {
	t.Parallel()
	set := newStore(t).compile(t, nil)
	claims := IDTokenClaims{
		Issuer: "http://auth.localhost:8080", Audience: "1-app.apps.googleusercontent.com",
		Subject: "110000000000000000001", Email: "alice@example.com", HostedDomain: "example.com",
	}
	token, err := set.MintIDToken(claims, start)
	if err != nil {
		t.Fatal(err)
	}
	kid := mustSigner(t, set, IDToken, start)
	header, payload, signature := split(t, token)
	if want := `{"alg":"RS256","kid":"` + kid + `","typ":"JWT"}`; header != want {
		t.Errorf("header %s, want %s", header, want)
	}
	want := fmt.Sprintf(`{"aud":"1-app.apps.googleusercontent.com","azp":"1-app.apps.googleusercontent.com","email":"alice@example.com",`+
		`"email_verified":true,"exp":%d,"hd":"example.com","iat":%d,"iss":"http://auth.localhost:8080","sub":"110000000000000000001"}`,
		start.Unix()+3600, start.Unix())
	if payload != want {
		t.Errorf("payload\n%s, want\n%s", payload, want)
	}
	public, found := set.Verifiable(IDToken, kid, start)
	if !found {
		t.Fatal("its key does not verify")
	}
	digest := sha256.Sum256([]byte(token[:strings.LastIndexByte(token, '.')]))
	if err := rsa.VerifyPKCS1v15(public.(*rsa.PublicKey), crypto.SHA256, digest[:], signature); err != nil {
		t.Error(err)
	}
	claims.HostedDomain = ""
	if token, err = set.MintIDToken(claims, start); err != nil {
		t.Fatal(err)
	}
	if _, found := claimsOf(t, token)["hd"]; found {
		t.Error("hd is set for somebody whom no organisation manages")
	}
}

func TestIDTokenRefusals(t *testing.T) {
	t.Parallel()
	set := newStore(t).compile(t, nil)
	valid := IDTokenClaims{Issuer: "http://auth.localhost", Audience: "app", Subject: "1", Email: "a@example.com"}
	tests := map[string]func(c *IDTokenClaims){
		"no issuer":                   func(c *IDTokenClaims) { c.Issuer = "" },
		"no audience":                 func(c *IDTokenClaims) { c.Audience = "" },
		"no subject":                  func(c *IDTokenClaims) { c.Subject = "" },
		"no address":                  func(c *IDTokenClaims) { c.Email = "" },
		"an audience that isn't text": func(c *IDTokenClaims) { c.Audience = "\xff" },
	}
	for name, spoil := range tests {
		claims := valid
		spoil(&claims)
		if _, err := set.MintIDToken(claims, start); !errors.Is(err, ErrClaims) {
			t.Errorf("%s: %v", name, err)
		}
	}
	store := &memoryStore{keys: newStore(t).keys[:1]}
	if _, err := store.compile(t, nil).MintIDToken(valid, start); !errors.Is(err, ErrNoSigner) {
		t.Errorf("an assertion key alone: %v", err)
	}
}

// Whatever stands in a claim, a reader of the JSON gets exactly that back.
func FuzzAppendQuoted(f *testing.F) {
	for _, seed := range []string{"", "plain", `"`, `\`, "\x00\n\u2028", "é", "\xff", `","sub":"x`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(appendQuoted(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		if utf8.ValidString(s) && got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	})
}

func TestASignerSignsUnderAHeaderThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	signer, err := newStore(t).compile(t, nil).Signer(Assertion, start)
	if err != nil {
		t.Fatal(err)
	}
	var usual map[string]string
	if err := json.Unmarshal(signer.Header(), &usual); err != nil || usual["alg"] != "ES256" || usual["kid"] != signer.KeyID() {
		t.Errorf("the usual header is %s (%v)", signer.Header(), err)
	}
	token, err := signer.SignUnder([]byte(`{"alg":"none"}`), []byte(`{}`))
	if err != nil || !strings.HasPrefix(token, "eyJhbGciOiJub25lIn0.e30.") || len(strings.Split(token, ".")[2]) != 86 {
		t.Errorf("it signed %s (%v)", token, err)
	}
	if after, err := signer.Sign([]byte(`{}`)); err != nil || strings.HasPrefix(after, "eyJhbGciOiJub25lIn0.") {
		t.Errorf("the other header stayed: %s (%v)", after, err)
	}
}
