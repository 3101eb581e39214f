package snapshot

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// assembleSettings takes changed settings over, and works out again what holds for the services below them.
func (b *Builder) assembleSettings(next *Snapshot, m *material) {
	if len(m.settings) == 0 {
		return
	}
	next.settings = maps.Clone(next.settings)
	for name, stored := range m.settings {
		if stored.Settings.IsZero() {
			delete(next.settings, name)
			continue
		}
		next.settings[name] = stored.Settings
	}
	next.served = maps.Clone(next.served)
	for name, served := range next.served {
		if _, changed := m.services[name]; changed {
			continue // made anew from the settings that are there now
		}
		if slices.ContainsFunc(served.lineage, func(level resource.Name) bool { _, changed := m.settings[level]; return changed }) {
			renewed := *served
			renewed.configure(next.settings)
			b.reportCookieDomain(served, &renewed)
			next.served[name] = &renewed
		}
	}
}

// configure works out what settings come to for the service.
func (s *Served) configure(all map[resource.Name]settings.IapSettings) {
	var levels []settings.Level
	for _, name := range slices.Backward(s.lineage) {
		if set, found := all[name]; found {
			levels = append(levels, settings.Level{Resource: name, Settings: set})
		}
	}
	s.Settings = settings.Merge(levels).Effective()
	s.Demand = demandOf(s.Settings.Reauth)
	s.prepareTellings()
	s.DeniedPage = deniedPage(s.Settings.AccessDeniedPageURI)
	s.cookies = nil
	for _, host := range s.Service.Hosts {
		if domain := s.Settings.CookieDomain; domain != "" && settings.CheckCookieDomain(domain, host) == nil {
			if s.cookies == nil {
				s.cookies = map[string]session.Cookie{}
			}
			s.cookies[host] = session.DomainCookie(s.Resource, domain)
		}
	}
}

// DeniedPage is where people go whom a service turns away, with what tells whether we would turn them away there too.
type DeniedPage struct {
	URL    string
	Host   string // canonical
	Target catalog.Target
	// Malformed says that no service of ours would take the target.
	Malformed bool
}

// decisionParameter tells the page which decision it was, so that it can show what an administrator looks up.
const decisionParameter = "gatehouse_decision="

// Address is where somebody goes whom a decision has turned away.
func (p *DeniedPage) Address(decision string) string {
	address, fragment, hasFragment := strings.Cut(p.URL, "#")
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	address += separator + decisionParameter + decision
	if hasFragment {
		address += "#" + fragment
	}
	return address
}

// deniedPage reads the address of the settings; nil for our own page.
func deniedPage(address string) *DeniedPage {
	u, err := url.Parse(address)
	if address == "" || err != nil {
		return nil
	}
	page := &DeniedPage{URL: address}
	if page.Host, err = catalog.CanonicalHost(u.Host); err != nil {
		return nil
	}
	if page.Target, err = catalog.ParseTarget("GET", u.RequestURI()); err != nil {
		page.Target, page.Malformed = catalog.Target{Raw: "/", Normalized: "/", Decoded: "/"}, true
	}
	return page
}

func demandOf(r settings.Reauth) session.Demand {
	demand := session.Demand{MaxAge: r.MaxAge}
	switch r.Method {
	case settings.ReauthEnrolledSecondFactors:
		demand.Factor = session.SecondFactor
	case settings.ReauthSecureKey:
		demand.Factor = session.SecurityKey
	}
	return demand
}

// Cookie is how the session cookie of the service is kept at one of its hosts.
func (s *Served) Cookie(host string) session.Cookie {
	if cookie, shared := s.cookies[host]; shared {
		return cookie
	}
	return s.cookie
}

// reportCookieDomain says once in the log where a cookie domain is ignored, as IAP ignores it.
func (b *Builder) reportCookieDomain(before, now *Served) {
	domain := now.Settings.CookieDomain
	if before != nil && before.Settings.CookieDomain == domain && slices.Equal(before.Service.Hosts, now.Service.Hosts) {
		return
	}
	for _, host := range now.Service.Hosts {
		if err := settings.CheckCookieDomain(domain, host); err != nil {
			b.Log.Warn("cookieDomain of the settings is ignored for a host, whose cookies stay its own",
				"service", now.Service.Name, "host", host, "cookieDomain", domain, "cause", err)
		}
	}
}
