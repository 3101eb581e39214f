package ldapbind_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-iap/gatehouse/internal/signin/ldapbind"
)

// spans notes what was traced, in the order of their ends.
type spans struct {
	mu    sync.Mutex
	ended []string
}

func (s *spans) span(_ context.Context, operation, address string) func(bool) {
	return func(failed bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		text := operation + " " + address
		if failed {
			text += " failed"
		}
		s.ended = append(s.ended, text)
	}
}

func TestEachOperationAtADirectoryHasASpanThatSaysWhetherTheDirectoryFailed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fake fake
		down bool
		want []string
	}{
		"a sign-in":                 {fake{entries: []entry{alice()}}, false, []string{"connect", "bind", "search", "bind", "bind"}},
		"a wrong password":          {fake{entries: []entry{alice()}, bindCode: ldap.LDAPResultInvalidCredentials}, false, []string{"connect", "bind", "search", "bind"}},
		"a directory that is busy":  {fake{searchCode: ldap.LDAPResultBusy}, false, []string{"connect", "bind", "search failed"}},
		"one that misleads us":      {fake{searchCode: ldap.LDAPResultReferral}, false, []string{"connect", "bind", "search failed"}},
		"a directory that is down":  {fake{}, true, []string{"connect failed"}},
		"one that ends in the bind": {fake{entries: []entry{alice()}, bindCode: ldap.LDAPResultUnavailable}, false, []string{"connect", "bind", "search", "bind failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := test.fake.start(t)
			if test.down {
				cfg.URL = "ldap://127.0.0.1:1"
			}
			var heard spans
			b, _ := newBinder()
			b.Span = heard.span
			_, _ = b.Check(t.Context(), cfg, "alice@corp.example", "secret")
			var want []string
			for _, operation := range test.want {
				name, rest, _ := strings.Cut(operation, " ")
				want = append(want, strings.TrimSpace(fmt.Sprint(name, " ", strings.TrimPrefix(cfg.URL, "ldap://"), " ", rest)))
			}
			if !slices.Equal(heard.ended, want) {
				t.Errorf("traced %q, want %q", heard.ended, want)
			}
		})
	}
}

var _ ldapbind.Span = new(spans).span
