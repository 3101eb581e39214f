package oidcrp

import (
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

func claimsOf(t *testing.T, text string) *claims {
	t.Helper()
	raw, err := members([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &claims{raw: raw}
}

func TestObjectsThatTwoProgramsReadDifferentlyAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `null`, `[]`, `"a"`, `{`, `{"a":1`, `{"a":1,}`, `{"a":1}{"a":2}`, `{"a":1} x`, `{"a":1,"a":1}`, `{"a":1,"b":2,"\u0061":3}`, `{"a":{}}}`,
	} {
		if raw, err := members([]byte(text)); err == nil {
			t.Errorf("%s is read as %v", text, raw)
		}
	}
	if raw, err := members([]byte(" {\"a\":{\"b\":1,\"b\":2},\"A\":null}\n")); err != nil || len(raw) != 2 {
		t.Errorf("%v, %v", raw, err)
	}
}

func TestTimesAreNumbersThatAClockCanShow(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]int64{"0": 0, "1700000000": 1700000000, "1.7e9": 1700000000, "1700000000.9": 1700000000} {
		if at, found, err := claimsOf(t, `{"exp":`+value+`}`).time("exp"); err != nil || !found || !at.Equal(time.Unix(want, 0)) {
			t.Errorf("%s: %v, %v, %v", value, at, found, err)
		}
	}
	for _, value := range []string{`"1700000000"`, "-1", "1e300", "253402300800", "9223372036854775808", "true", "[]", "{}"} {
		if at, found, err := claimsOf(t, `{"exp":`+value+`}`).time("exp"); err == nil {
			t.Errorf("%s: %v, %v", value, at, found)
		}
	}
	if _, found, err := claimsOf(t, `{"exp":null}`).time("exp"); found || err != nil {
		t.Errorf("null: %v, %v", found, err)
	}
}

func TestAnAudienceIsTextOrAListOfTexts(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{`"a"`: {"a"}, `["a","b"]`: {"a", "b"}, `[]`: {}} {
		if got, err := claimsOf(t, `{"aud":`+value+`}`).audience(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", value, got, err)
		}
	}
	for _, text := range []string{`{}`, `{"aud":7}`, `{"aud":{"a":1}}`, `{"aud":["a",7]}`, `{"aud":[["a"]]}`, `{"Aud":"a"}`} {
		if got, err := claimsOf(t, text).audience(); err == nil {
			t.Errorf("%s: %q", text, got)
		}
	}
}

func TestListsHaveABound(t *testing.T) {
	t.Parallel()
	many, err := json.Marshal(strings.Split(strings.Repeat("x,", 10_000)+"x", ","))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]struct {
		length int
		more   bool
	}{
		`{}`: {0, false}, `{"g":null}`: {0, false}, `{"g":""}`: {0, false}, `{"g":"one"}`: {1, false}, `{"g":{"a":"b"}}`: {0, false}, `{"g":7}`: {0, false},
		`{"g":[{"a":"b"},["c"],7,null,"","d"]}`: {1, false}, `{"g":["a","b"]}`: {2, false}, `{"g":["a","b","c"]}`: {2, true}, `{"g":["a","b",7]}`: {2, false},
		`{"g":` + string(many) + `}`: {2, true},
	} {
		if got, more := claimsOf(t, text).list("g", 2); len(got) != want.length || more != want.more {
			t.Errorf("%.60s: %q, %v", text, got, more)
		}
	}
}

func TestASecondFactorIsAskedForAndReadInTheWordsOfTheProvider(t *testing.T) {
	t.Parallel()
	c := &client{config: identityprovider.OIDCConfig{SecondFactorACRValues: []string{"loa:2fa:any", "3"}}}
	for factor, want := range map[session.Factor]string{session.AnyFactor: "", session.SecondFactor: "loa:2fa:any 3", session.SecurityKey: "phrh phr"} {
		if got := c.contexts(factor); got != want {
			t.Errorf("for %q the provider is asked for %q, want %q", factor, got, want)
		}
	}
	for text, want := range map[string][]string{
		`{"acr":"3"}`: {"mfa"}, `{"acr":"loa:2fa:any","amr":["pwd"]}`: {"pwd", "mfa"}, `{"acr":"3","amr":["mfa"]}`: {"mfa"},
		`{"acr":"2","amr":["pwd"]}`: {"pwd"}, `{"acr":"loa:2fa"}`: nil, `{"acr":3}`: nil, `{"acr":["3"]}`: nil, `{}`: nil,
	} {
		if v, err := claimsOf(t, text).vouched(c); err != nil || !slices.Equal(v.AMR, want) {
			t.Errorf("%s: amr %q, %v, want %q", text, v.AMR, err, want)
		}
	}
}

// A modulus of a million bits would take minutes to check one signature by.
func TestKeysAreNeitherWeakNorEndless(t *testing.T) {
	t.Parallel()
	for bits, usable := range map[uint]bool{1024: false, 2047: false, 2048: true, 4096: true, 8192: true, 8193: false, 1_000_000: false} {
		n := new(big.Int).SetBit(big.NewInt(1), int(bits-1), 1)
		if got := usableKey(jose.JSONWebKey{Key: &rsa.PublicKey{N: n, E: 65537}}); got != usable {
			t.Errorf("%d bits: %v", bits, got)
		}
	}
}

func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"a":2}`, `{"a":`, `[{"a":1}]`, `{"\ud800":1}`, `{"a":1}x`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		raw, err := members([]byte(text))
		if err == nil && !json.Valid([]byte(text)) {
			t.Errorf("%q is read as %v", text, raw)
		}
	})
}
