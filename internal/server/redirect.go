package server

import (
	"net/http"
	"net/netip"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/requestid"
)

// clientAddr is where sign-in takes a client's address from: the same place as the decision does.
func clientAddr(proxies *listener.TrustedProxies) func(*http.Request) netip.Addr {
	return func(r *http.Request) netip.Addr {
		client, err := proxies.Client(r)
		if err != nil {
			return netip.Addr{} // not reached: such a request has been refused
		}
		return client.Addr
	}
}

// Redirect returns what answers on a plain listener that sends clients to the external URL.
func (s *Server) Redirect() http.Handler {
	return &listener.Redirect{
		Origin:    s.options.External.URL,
		Canonical: catalog.CanonicalHost,
		Serves: func(host string) bool {
			return host == s.handler.auth || s.holder.Current().Routes.HasHost(host)
		},
		Proxies: s.options.TrustedProxies,
		Next:    s.handler,
		Problem: func(w http.ResponseWriter, r *http.Request, p listener.Problem) {
			status, reason := http.StatusBadRequest, policy.HostInvalid
			switch p.Kind {
			case listener.RequestUnserved:
				status, reason = http.StatusNotFound, policy.HostUnknown
			case listener.RedirectLoops:
				status, reason = http.StatusInternalServerError, policy.RedirectLoop
			}
			apps, text := s.handler.apps, reason.Describe()
			verdict := apps.Point.Refuse(&enforcement.Request{
				Method: r.Method, Host: p.Client.Host, Target: r.RequestURI, Header: r.Header, Peer: p.Client.Addr,
			}, status, reason)
			w.Header().Set(requestid.Header, verdict.ID.String())
			page := pages.Error{Status: status, Title: text.Title, Text: text.Text, Reason: string(reason), ID: verdict.ID.String()}
			if p.Detail != "" {
				page.Text += " " + p.Detail
			}
			apps.Pages.Error(w, r, page)
		},
	}
}
