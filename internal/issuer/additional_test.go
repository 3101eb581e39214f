package issuer

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

func TestAttributesBecomeAdditionalClaims(t *testing.T) {
	t.Parallel()
	claims := Claims{Audience: "/projects/1/apps/dev-project", Subject: "1", Email: "alice@example.com", Additional: []principal.Attribute{
		{Name: `de"partment`, Values: []string{"Research", `"quoted", é`}}, {Name: "empty", Values: []string{}},
	}}
	payload, err := claims.payload(ordinary(time.Unix(1700000000, 0)))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Additional map[string][]string `json:"additional_claims"`
		Audience   string              `json:"aud"`
	}
	if err := json.Unmarshal(payload, &got); err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	want := map[string][]string{`de"partment`: {"Research", `"quoted", é`}, "empty": {}}
	if !reflect.DeepEqual(got.Additional, want) || got.Audience != claims.Audience {
		t.Errorf("got %+v", got)
	}
	claims.Additional[0].Values[0] = "\xff"
	if _, err := claims.payload(ordinary(time.Now())); err == nil {
		t.Error("an attribute that is not UTF-8 was signed")
	}
}

func TestAssertionsWithOtherAttributesAreOtherAssertions(t *testing.T) {
	t.Parallel()
	of := func(attributes ...principal.Attribute) [32]byte {
		return Claims{Audience: "a", Subject: "s", Email: "e", Additional: attributes}.digest("k")
	}
	seen := map[[32]byte]int{}
	for i, d := range [][32]byte{
		of(), of(principal.Attribute{Name: "a"}), of(principal.Attribute{Name: "a", Values: []string{""}}),
		of(principal.Attribute{Name: "a", Values: []string{"b"}}), of(principal.Attribute{Name: "a", Values: []string{"b", "c"}}),
		of(principal.Attribute{Name: "a", Values: []string{"b"}}, principal.Attribute{Name: "c"}),
	} {
		if other, found := seen[d]; found {
			t.Errorf("%d and %d have one digest", i, other)
		}
		seen[d] = i
	}
}

func TestCloudRunsHeaderProvesNothingAndIsReused(t *testing.T) {
	t.Parallel()
	s := &Serverless{Audience: "/projects/7/locations/europe-west1/services/hello", ProjectNumber: 7}
	now := time.Unix(1700000000, 0)
	first := s.Values(now)
	token, found := strings.CutPrefix(first[0], "bearer ")
	parts := strings.Split(token, ".")
	if !found || len(parts) != 3 || parts[2] != "SIGNATURE_REMOVED_BY_GOOGLE" {
		t.Fatalf("got %s", first)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"aud":"/projects/7/locations/europe-west1/services/hello","azp":"service-7@gcp-sa-iap.iam.gserviceaccount.com",` +
		`"email":"service-7@gcp-sa-iap.iam.gserviceaccount.com","email_verified":true,"exp":1700003570,"iat":1699999970,"iss":"https://accounts.google.com"}`
	if string(payload) != want {
		t.Errorf("got  %s\nwant %s", payload, want)
	}
	if again := s.Values(now.Add(29 * time.Minute)); &again[0] != &first[0] {
		t.Error("made anew within its time")
	}
	if later := s.Values(now.Add(31 * time.Minute)); later[0] == first[0] {
		t.Error("handed out until it is stale")
	}
}
