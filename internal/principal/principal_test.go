package principal_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

func TestAddressesHaveOneCanonicalForm(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"alice@example.com":         "alice@example.com",
		"Alice@EXAMPLE.com":         "alice@example.com",
		"a.b+c@x-y.example":         "a.b+c@x-y.example",
		"robot@p.iam.example.com":   "robot@p.iam.example.com",
		"O'Neil@example.com":        "o'neil@example.com",
		"first.last@sub.domain.org": "first.last@sub.domain.org",
	} {
		if got, err := principal.ParseAddress(in); err != nil || got != want {
			t.Errorf("%q is read as %q, %v", in, got, err)
		}
	}
}

func TestAddressesThatTwoProgramsReadDifferentlyAreRefused(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"no @":                         "alice",
		"two @":                        "alice@evil.com@corp.com",
		"nothing before the @":         "@example.com",
		"nothing after the @":          "alice@",
		"a trailing dot":               "alice@example.com.",
		"an empty label":               "alice@example..com",
		"a space":                      "alice @example.com",
		"a line break":                 "alice@example.com\r\nX: y",
		"a NUL":                        "alice\x00@example.com",
		"a percent route":              "alice%evil.com@example.com",
		"an escaped @":                 "ceo%40example.com@example.com",
		"quotes":                       `"alice"@example.com`,
		"a comment":                    "alice(x)@example.com",
		"a colon, which has a meaning": "user:alice@example.com",
		"a Kelvin sign":                "\u212aate@example.com",
		"a dotless i":                  "al\u0131ce@example.com",
		"a full-width domain":          "alice@\uff45xample.com",
		"a Cyrillic look-alike":        "\u0430lice@example.com",
		"254 bytes and more":           strings.Repeat("a", 250) + "@x.com",
		"an address literal":           "alice@[127.0.0.1]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := principal.ParseAddress(address); !errors.Is(err, principal.ErrAddress) {
				t.Errorf("%q is read as %q, %v", address, got, err)
			}
		})
	}
}

func TestMembersSurviveBeingWrittenAndRead(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"user:a@x.test", "group:g@x.test", "serviceAccount:s@p.iam.gserviceaccount.com", "domain:x.test", "allUsers", "allAuthenticatedUsers",
	} {
		member, err := principal.ParseMember(s)
		if err != nil || member.String() != s {
			t.Errorf("%q is read as %+v, %v", s, member, err)
		}
	}
}

func FuzzParseMember(f *testing.F) {
	for _, seed := range []string{"user:A@x.test", "allUsers", "domain:X", "group:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		member, err := principal.ParseMember(s)
		if err != nil {
			return
		}
		again, err := principal.ParseMember(member.String())
		if err != nil || again != member {
			t.Fatalf("%q is read as %+v, written as %q and read as %+v, %v", s, member, member, again, err)
		}
	})
}

func TestAnInternerNumbersEachMemberOnceAndLeavesItsPredecessorAlone(t *testing.T) {
	t.Parallel()
	a, b := principal.Member{Kind: principal.MemberUser, Value: "a@x.test"}, principal.Member{Kind: principal.MemberGroup, Value: "a@x.test"}
	first := &principal.Interner{}
	edit := first.Edit()
	number := edit.Intern(a)
	if edit.Intern(a) != number || edit.Intern(b) == number {
		t.Error("numbers are not one to one")
	}
	second := edit.Done()
	if _, found := first.Lookup(a); found {
		t.Error("the predecessor has changed")
	}
	if got, found := second.Lookup(a); !found || got != number {
		t.Error("the number is lost")
	}
}
