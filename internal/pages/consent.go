package pages

import "net/http"

// Consent is the page that asks somebody whether a program on their computer may act as them. Its form posts "request"
// and "decision", allow or deny, to /signin/consent.
type Consent struct {
	Program string // what people call it, or its client id
	Email   string // who is signed in
	Request string // carried through the form unread
	Until   string // until when the program may get further tokens; empty when it gets those of one hour only
}

// Consent writes the consent page.
func (p *Renderer) Consent(w http.ResponseWriter, r *http.Request, data Consent) {
	p.page(w, r, http.StatusOK, "consent", data)
}
