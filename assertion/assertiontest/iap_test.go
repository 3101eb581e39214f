package assertiontest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/assertion/assertiontest"
)

func decode(t *testing.T, part string) string {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestAMintedAssertionLooksLikeIAPs(t *testing.T) {
	t.Parallel()
	iap := assertiontest.New(assertiontest.Audience)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	iap.Now = func() time.Time { return noon }
	parts := strings.Split(iap.Mint("alice@example.com"), ".")
	if got, want := decode(t, parts[0]), `{"alg":"ES256","typ":"JWT","kid":"`+iap.KeyID()+`"}`; got != want || len(iap.KeyID()) != 6 {
		t.Errorf("header is %s", got)
	}
	want := `{"aud":"` + iap.Audience + `","azp":"` + iap.Audience + `","email":"alice@example.com","exp":1772366970,"iat":1772366370,` +
		`"identity_source":"GOOGLE","iss":"https://cloud.google.com/iap","sub":"` + assertiontest.Subject("alice@example.com") + `"}`
	if got := decode(t, parts[1]); got != want {
		t.Errorf("claims are %s\nwant %s", got, want)
	}
	if !regexp.MustCompile(`^accounts\.google\.com:[0-9]{21}$`).MatchString(assertiontest.Subject("alice@example.com")) {
		t.Errorf("subject is %s", assertiontest.Subject("alice@example.com"))
	}
	if assertiontest.Subject("alice@example.com") == assertiontest.Subject("bob@example.com") {
		t.Error("two people share a subject")
	}
}

func TestFaultsAreAClosedList(t *testing.T) {
	t.Parallel()
	iap := assertiontest.New(assertiontest.Audience)
	seen := map[assertiontest.Fault]bool{}
	for _, fault := range assertiontest.Faults() {
		if seen[fault] {
			t.Errorf("%s is listed twice", fault)
		}
		seen[fault] = true
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown fault gave an assertion")
		}
	}()
	iap.Broken("NO_SUCH_FAULT")
}

// A fault must be the only thing wrong, or an application that misses it would pass the test all the same.
func TestAFaultIsTheOnlyThingWrong(t *testing.T) {
	t.Parallel()
	iap := assertiontest.New(assertiontest.Audience)
	verifier, err := assertion.NewVerifier(assertion.Config{InsecureSkipAudienceCheck: true, Keys: iap})
	if err != nil {
		t.Fatal(err)
	}
	if claims, err := verifier.Verify(context.Background(), iap.Broken(assertiontest.WrongAudience)); err != nil || claims.Audience == iap.Audience {
		t.Errorf("AUDIENCE without the check of the audience: %+v, %v", claims, err)
	}
	for fault, shift := range map[assertiontest.Fault]time.Duration{
		assertiontest.PastExpiration: -55 * time.Minute, assertiontest.FutureIssue: 15 * time.Minute,
	} {
		verifier, err := assertion.NewVerifier(assertion.Config{Audiences: []string{iap.Audience}, Keys: iap,
			Now: func() time.Time { return time.Now().Add(shift) }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verifier.Verify(context.Background(), iap.Broken(fault)); err != nil {
			t.Errorf("%s at its own time: %v", fault, err)
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	iap := assertiontest.New(assertiontest.Audience)
	first := iap.KeyID()
	if err := iap.Withdraw(first); err == nil {
		t.Error("the only key was withdrawn")
	}
	if second := iap.Rotate(); second == first || iap.KeyID() != second {
		t.Errorf("%s after %s signs with %s", second, first, iap.KeyID())
	}
	if _, err := iap.Key(context.Background(), first); err != nil {
		t.Errorf("the old key: %v", err)
	}
	if err := iap.Withdraw(first); err != nil {
		t.Error(err)
	}
	if _, err := iap.Key(context.Background(), first); err == nil {
		t.Error("the old key is still published")
	}
}

func TestTheServerSpeaksHTTPCaching(t *testing.T) {
	t.Parallel()
	iap := assertiontest.New(assertiontest.Audience)
	get := func(path, etag string) *httptest.ResponseRecorder {
		request := httptest.NewRequest("GET", path, nil)
		if etag != "" {
			request.Header.Set("If-None-Match", etag)
		}
		recorder := httptest.NewRecorder()
		iap.KeyHandler().ServeHTTP(recorder, request)
		return recorder
	}
	first := get("/iap/verify/public_key-jwk", "")
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(first.Body.Bytes(), &set); err != nil || len(set.Keys) != 1 || set.Keys[0]["alg"] != "ES256" || set.Keys[0]["kid"] != iap.KeyID() {
		t.Errorf("published %s, %v", first.Body, err)
	}
	if again := get("/iap/verify/public_key-jwk", first.Header().Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("asked again: %d", again.Code)
	}
	iap.Rotate()
	if changed := get("/iap/verify/public_key-jwk", first.Header().Get("ETag")); changed.Code != http.StatusOK {
		t.Errorf("after a rotation: %d", changed.Code)
	}
	if other := get("/", ""); other.Code != http.StatusNotFound {
		t.Errorf("another path: %d", other.Code)
	}
}
