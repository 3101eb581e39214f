package ldap

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/signin/ldapbind"
	"github.com/gatehouse-iap/gatehouse/test/harness"
	"github.com/gatehouse-iap/gatehouse/test/inprocess"
)

func TestADirectoryIsAskedAgainWithoutThePassword(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change string
		groups []string // nil: not the same person any more
	}{
		"nothing has changed": {"dn: ou=groups,dc=corp,dc=example\nchangetype: modify\nreplace: description\ndescription: x", []string{"admins", "engineers"}},
		"the entry is gone":   {"dn: uid=alice,ou=people,dc=corp,dc=example\nchangetype: delete", nil},
		"the entry has another address": {
			"dn: uid=alice,ou=people,dc=corp,dc=example\nchangetype: modify\nreplace: mail\nmail: alice.new@corp.example", nil,
		},
		"the entry has moved within its base": {
			"dn: uid=alice,ou=people,dc=corp,dc=example\nchangetype: modrdn\nnewrdn: uid=alice2\ndeleteoldrdn: 0\n\n" +
				"dn: cn=admins,ou=groups,dc=corp,dc=example\nchangetype: modify\nreplace: member\nmember: uid=alice2,ou=people,dc=corp,dc=example\n\n" +
				"dn: cn=engineers,ou=groups,dc=corp,dc=example\nchangetype: modify\nadd: member\nmember: uid=alice2,ou=people,dc=corp,dc=example", []string{"admins", "engineers"},
		},
		"the entry has moved out of its base": {
			"dn: uid=alice,ou=people,dc=corp,dc=example\nchangetype: modrdn\nnewrdn: uid=alice\ndeleteoldrdn: 0\nnewsuperior: ou=services,dc=corp,dc=example", nil,
		},
		"another entry has taken the address": {
			"dn: uid=alice,ou=people,dc=corp,dc=example\nchangetype: delete\n\n" +
				"dn: uid=alice,ou=people,dc=corp,dc=example\nchangetype: add\nobjectClass: inetOrgPerson\nuid: alice\ncn: Alice\nsn: A\n" +
				"mail: alice@corp.example\nuserPassword: alice-password", nil,
		},
		"the address is another entry's as well": {
			"dn: uid=twin1,ou=people,dc=corp,dc=example\nchangetype: modify\nreplace: mail\nmail: alice@corp.example", nil,
		},
		"the person has left a group": {
			"dn: cn=engineers,ou=groups,dc=corp,dc=example\nchangetype: modify\ndelete: member\nmember: uid=alice,ou=people,dc=corp,dc=example", []string{"admins"},
		},
		"a group is gone": {"dn: cn=admins,ou=groups,dc=corp,dc=example\nchangetype: delete", []string{"engineers"}},
		"the person has joined a group": {
			"dn: cn=others,ou=groups,dc=corp,dc=example\nchangetype: modify\nadd: member\nmember: uid=alice,ou=people,dc=corp,dc=example", []string{"admins", "engineers", "others"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			var log bytes.Buffer
			b := binder(&log)
			before, err := b.Check(t.Context(), s.config(), "alice@corp.example", "alice-password")
			if err != nil {
				t.Fatal(err)
			}
			s.Modify(t, test.change)
			now, err := b.Lookup(t.Context(), s.config(), "alice@corp.example")
			if test.groups == nil {
				if !errors.Is(err, ldapbind.ErrPassword) && (err != nil || now.Subject == before.Subject) {
					t.Errorf("alice was %+v and is %+v, %v", before, now, err)
				}
				return
			}
			if err != nil || now.Subject != before.Subject || !slices.Equal(now.Groups, test.groups) {
				t.Errorf("alice was %+v and is %+v, %v", before, now, err)
			}
		})
	}
}

func TestWhoLeavesAGroupOfTheDirectoryIsOutAtThePoll(t *testing.T) {
	t.Parallel()
	s := start(t)
	gate := inprocess.Start(t, inprocess.App{Name: "wiki", Host: "wiki.localhost", Upstream: harness.Echo(t).URL})
	if err := gate.Admin().PutProvider(t.Context(), admin.System("test"), s.provider()); err != nil {
		t.Fatal(err)
	}
	_, err := gate.Admin().SetIamPolicy(t.Context(), admin.System("test"), resource.Web(projectNumber), iam.Policy{Bindings: []iam.Binding{
		{Role: iam.RoleHTTPSResourceAccessor, Members: []string{"group:admins@corp.example", "group:others@corp.example"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	page := gate.URL("wiki.localhost") + "/page"
	v := &visitor{client: harness.Client(nil), cookies: map[string]map[string]string{}}
	if answer := v.signIn(t, page, "alice@corp.example", "alice-password"); answer.StatusCode != http.StatusOK {
		t.Fatalf("alice is not let in: %s\n%s", answer.Status, answer.Text)
	}
	become := func(change string, want int, what string) {
		t.Helper()
		s.Modify(t, change)
		gate.Advance(t, time.Minute)
		for end := time.Now().Add(harness.Patience); ; { // due sessions are looked for every 15 seconds of real time
			answer := v.follow(t, http.MethodGet, page, nil)
			if answer.StatusCode == want && answer.Request.URL.Path == "/page" {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %s at %s", what, answer.Status, answer.Request.URL)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	leave := "dn: cn=%s,ou=groups,dc=corp,dc=example\nchangetype: delete"
	become(fmt.Sprintf(leave, "admins"), http.StatusForbidden, "the group that lets alice in is gone, and she is not out")
	become("dn: cn=others,ou=groups,dc=corp,dc=example\nchangetype: modify\nadd: member\nmember: uid=alice,ou=people,dc=corp,dc=example",
		http.StatusOK, "alice has joined another group, and is not in")
}
