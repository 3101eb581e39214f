package ldap

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin/ldapbind"
	"github.com/gatehouse-iap/gatehouse/test/harness"
)

func binder(log *bytes.Buffer) *ldapbind.Binder {
	return &ldapbind.Binder{Log: slog.New(slog.NewTextHandler(log, nil)), Timeout: 5 * time.Second}
}

func TestTheRightPasswordSaysWhoSomebodyIs(t *testing.T) {
	t.Parallel()
	s := start(t)
	var log bytes.Buffer
	b := binder(&log)
	alice, err := b.Check(t.Context(), s.config(), "ALICE@corp.example", "alice-password")
	if err != nil {
		t.Fatal(err)
	}
	if alice.Email != "alice@corp.example" || alice.DN != "uid=alice,ou=people,dc=corp,dc=example" || len(alice.Subject) != 36 {
		t.Errorf("alice is %+v", alice)
	}
	if !slices.Equal(alice.Groups, []string{"admins", "engineers"}) {
		t.Errorf("alice is in %q", alice.Groups)
	}
	bob, err := b.Check(t.Context(), s.config(), "bob@corp.example", "bob-password")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(bob.Groups, []string{"engineers"}) || bob.Subject == alice.Subject {
		t.Errorf("bob, whose name is full of parentheses and stars, is %+v", bob)
	}
	again, err := b.Check(t.Context(), s.config(), "alice@corp.example", "alice-password")
	if err != nil || again.Subject != alice.Subject {
		t.Errorf("alice is called %q and then %q, %v", alice.Subject, again.Subject, err)
	}
}

func TestWhatLetsNobodyIn(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, attempt := range map[string]struct{ email, password string }{
		"a wrong password":                       {"alice@corp.example", "bob-password"},
		"an empty password":                      {"alice@corp.example", ""},
		"a password of one NUL byte":             {"alice@corp.example", "\x00"},
		"an address that nobody has":             {"carol@corp.example", "alice-password"},
		"an entry without a password":            {"nopassword@corp.example", "x"},
		"a star for the address":                 {"*", "alice-password"},
		"a star before the domain":               {"*@corp.example", "alice-password"},
		"a star within the address":              {"al*e@corp.example", "alice-password"},
		"a filter within the address":            {"alice@corp.example)(uid=*", "alice-password"},
		"a filter that is always true":           {"x)(|(mail=*)@corp.example", "alice-password"},
		"an escaped letter":                      {`\61lice@corp.example`, "alice-password"},
		"an address after another":               {"alice@evil.example@corp.example", "alice-password"},
		"white space that directories leave out": {"alice@corp.example ", "alice-password"},
		"an address that two entries have":       {"twin@corp.example", "twin-password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			person, err := binder(&log).Check(t.Context(), s.config(), attempt.email, attempt.password)
			if !errors.Is(err, ldapbind.ErrPassword) {
				t.Errorf("%q is %+v, %v", attempt.email, person, err)
			}
			if strings.HasPrefix(attempt.email, "twin") != strings.Contains(log.String(), "more than one entry") {
				t.Errorf("the log says %q", log.String())
			}
		})
	}
}

func TestTheDirectoryMustProveWhichOneItIs(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, test := range map[string]struct {
		change func(*identityprovider.LDAPConfig)
		want   error
	}{
		"TLS from the start":              {func(*identityprovider.LDAPConfig) {}, nil},
		"StartTLS":                        {func(c *identityprovider.LDAPConfig) { c.URL, c.StartTLS = s.Plain, true }, nil},
		"in the clear on this machine":    {func(c *identityprovider.LDAPConfig) { c.URL = s.Plain }, nil},
		"TLS by another authority":        {func(c *identityprovider.LDAPConfig) { c.CAFile = s.OtherCA }, ldapbind.ErrUnavailable},
		"TLS by the system's authorities": {func(c *identityprovider.LDAPConfig) { c.CAFile = "" }, ldapbind.ErrUnavailable},
		"StartTLS by another authority":   {func(c *identityprovider.LDAPConfig) { c.URL, c.StartTLS, c.CAFile = s.Plain, true, s.OtherCA }, ldapbind.ErrUnavailable},
		"TLS with a name it has no certificate for": {func(c *identityprovider.LDAPConfig) {
			c.URL = strings.Replace(s.Encrypted, "127.0.0.1", "localhost", 1)
		}, ldapbind.ErrUnavailable},
		"an authority that is not there": {func(c *identityprovider.LDAPConfig) { c.CAFile += ".gone" }, ldapbind.ErrMisconfigured},
		"StartTLS where TLS is spoken":   {func(c *identityprovider.LDAPConfig) { c.StartTLS = true }, ldapbind.ErrMisconfigured},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := s.config()
			test.change(&cfg)
			var log bytes.Buffer
			person, err := binder(&log).Check(t.Context(), cfg, "alice@corp.example", "alice-password")
			if !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("%+v, %v", person, err)
			}
		})
	}
}

func TestWhatDoesNotFitIsSaidToBeSo(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, change := range map[string]func(*identityprovider.LDAPConfig){
		"a base that is not there":        func(c *identityprovider.LDAPConfig) { c.UserBase = "ou=nobody," + harness.SlapdBase },
		"a group base that is not there":  func(c *identityprovider.LDAPConfig) { c.GroupBase = "ou=nobody," + harness.SlapdBase },
		"a wrong password for searches":   func(c *identityprovider.LDAPConfig) { c.BindDN = "uid=alice,ou=people," + harness.SlapdBase },
		"a directory that lets nobody in": func(c *identityprovider.LDAPConfig) { c.BindDN, c.BindPassword = "", nil },
		"a subject that is not there":     func(c *identityprovider.LDAPConfig) { c.SubjectAttribute = "employeeNumber" },
		"a subject that is there twice":   func(c *identityprovider.LDAPConfig) { c.SubjectAttribute = "description" },
		"a filter that does not parse":    func(c *identityprovider.LDAPConfig) { c.UserFilter = "(mail={email}" },
		"a filter that finds another's entry": func(c *identityprovider.LDAPConfig) {
			c.UserFilter = "(|(mail=alice@corp.example)(description={email}))"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := s.config()
			change(&cfg)
			email := "alice@corp.example"
			if strings.Contains(name, "another's") {
				email = "root@corp.example"
			}
			var log bytes.Buffer
			if person, err := binder(&log).Check(t.Context(), cfg, email, "alice-password"); !errors.Is(err, ldapbind.ErrMisconfigured) {
				t.Errorf("%+v, %v", person, err)
			}
		})
	}
}
