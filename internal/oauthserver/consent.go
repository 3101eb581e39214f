package oauthserver

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// consent is what the consent page's form carries, sealed: what is agreed to, by whom, and until when it may be.
type consent struct {
	Request request    `json:"q"`
	Session session.ID `json:"s"`
	Until   int64      `json:"u"` // seconds since 1970
}

var consentUse = []byte("consent")

// showConsent asks the person. It is asked every time: a program on a computer cannot prove which one it is, so an
// earlier consent proves nothing about this one.
func (s *Server) showConsent(w http.ResponseWriter, r *http.Request, asked request, name string, present session.Record) {
	plain, err := json.Marshal(consent{asked, present.ID, s.Now().Add(consentLifetime).Unix()})
	if err != nil {
		s.SignIn.Unavailable(w, r, err)
		return
	}
	page := pages.Consent{
		Program: name, Email: present.Identity.Email, Request: encoding.EncodeToString(s.Sealer.Seal(plain, consentUse)),
	}
	if asked.Offline {
		page.Until = present.Expires.UTC().Format("2 January 15:04 UTC")
	}
	s.Pages.Consent(w, r, page)
}

func (s *Server) openConsent(text string) (consent, error) {
	if len(text) > 2*maxRequest {
		return consent{}, errors.New("consent is too long")
	}
	sealed, err := encoding.DecodeString(text)
	if err != nil {
		return consent{}, err
	}
	plain, err := s.Sealer.Open(sealed, consentUse)
	if err != nil {
		return consent{}, err
	}
	var c consent
	if err := json.Unmarshal(plain, &c); err != nil {
		return consent{}, err
	}
	if !s.Now().Before(time.Unix(c.Until, 0)) {
		return consent{}, errors.New("consent is older than 10 minutes")
	}
	return c, nil
}

// Consent answers the consent page's form, which no other site can send. The person must still be the one who was asked.
func (s *Server) Consent() http.Handler {
	own := http.NewCrossOriginProtection()
	own.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.refusePage(w, r, "This form was sent by another site. Start again from the program.")
	}))
	return own.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			s.Pages.Error(w, r, pages.Error{Status: http.StatusMethodNotAllowed, Title: "Method not accepted", Text: "Start again from the program."})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 4*maxRequest)
		if err := r.ParseForm(); err != nil {
			s.refusePage(w, r, "This form cannot be read. Start again from the program.")
			return
		}
		s.approve(w, r)
	}))
}

func (s *Server) approve(w http.ResponseWriter, r *http.Request) {
	agreed, err := s.openConsent(r.PostForm.Get("request"))
	name, known := s.Directory().Client(agreed.Request.Client)
	if err != nil || !known {
		s.refusePage(w, r, "This page was open for too long, or is not ours. Start again from the program.")
		return
	}
	present, signedIn, err := s.SignIn.Present(r)
	switch {
	case err != nil:
		s.SignIn.Unavailable(w, r, err)
		return
	case !signedIn || present.ID != agreed.Session:
		s.refusePage(w, r, "Somebody else has signed in since you were asked, or you were signed out. Start again from the program.")
		return
	case r.PostForm.Get("decision") != "allow":
		s.sendBack(w, r, agreed.Request, name, url.Values{"error": {errAccessDenied}})
		return
	}
	code, hash := newSecret(codePrefix)
	asked := agreed.Request
	err = s.Store.PutCode(r.Context(), Code{
		Hash: hash, Session: present.ID, Client: asked.Client, RedirectURI: asked.RedirectURI, Challenge: asked.Challenge,
		Scope: asked.Scope, Nonce: asked.Nonce, Offline: asked.Offline, Expires: s.Now().Add(codeLifetime),
	})
	if err != nil {
		s.SignIn.Unavailable(w, r, err)
		return
	}
	s.Log.InfoContext(r.Context(), "consent given", "client", asked.Client, "email", present.Identity.Email, "session", present.ID.String(), "peer", s.ClientAddr(r))
	s.sendBack(w, r, asked, name, url.Values{"code": {code}, "scope": {asked.Scope}})
}
