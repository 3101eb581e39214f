package snapshot_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

func TestACookieDomainThatDoesNotFitIsIgnoredAndWarnedOfOnce(t *testing.T) {
	t.Parallel()
	db := openStore(t)
	v := newViewedOf(t, db)
	s := serviceNamed("1")
	s.Hosts = []string{"a.corp.test", "elsewhere.test"}
	v.put(s)
	v.logged()
	do(t, db, func(tx admin.Tx) error {
		_, err := tx.Settings().PutSettings(t.Context(), s.Service.Name(), settings.IapSettings{ApplicationSettings: &settings.ApplicationSettings{CookieDomain: new("corp.test")}}, "")
		return err
	})
	v.refresh()
	if log := v.logged(); strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, "host=elsewhere.test") || !strings.Contains(log, "cookieDomain=corp.test") {
		t.Errorf("logged %q", log)
	}
	served, found := v.holder.Current().Served(s.Service.Name())
	if !found {
		t.Fatal("no service")
	}
	for host, domain := range map[string]string{"a.corp.test": "corp.test", "elsewhere.test": ""} {
		if got := served.Cookie(host).Domain; got != domain {
			t.Errorf("at %s the cookie's domain is %q, want %q", host, got, domain)
		}
	}
	s.IAPDisabled = true
	v.put(s)
	if log := v.logged(); log != "" {
		t.Errorf("warned again: %q", log)
	}
}
