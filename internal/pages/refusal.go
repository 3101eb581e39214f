package pages

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
)

// Refused is the answer to somebody, known or not, who may not pass.
type Refused struct {
	Status    int    // 403 when zero
	Title     string // the reason's public headline and text
	Text      string
	Reason    string // the reason's name, such as "not_granted"
	ID        string // what an administrator looks the decision up by
	Email     string // who is signed in; empty for nobody
	App       string // the application, when known
	SwitchURL string // "Use another account"
	Detail    string // a further sentence, such as whom to ask
}

// Refused writes the refusal as a page, or in the form that the client asked for.
func (p *Renderer) Refused(w http.ResponseWriter, r *http.Request, data Refused) {
	data.Status = statusOr(data.Status, http.StatusForbidden)
	data.SwitchURL = safeLink(data.SwitchURL)
	if data.Title == "" {
		data.Title = "You don't have access"
	}
	answer := refusal{
		Type: "about:blank", Title: data.Title, Status: data.Status, Detail: sentences(data.Text, data.Detail),
		Reason: data.Reason, ID: data.ID,
	}
	if !answer.write(w, r) {
		p.page(w, r, data.Status, "refused", data)
	}
}

// Error is the answer to a request that cannot go on, whoever made it.
type Error struct {
	Status      int    // 400 when zero, as in IAP
	Code        int    // IAP's error code; 0 for none
	Title       string // a headline; what is known of the code when empty
	Text        string // what happened and what to do next; likewise
	Reason      string // the reason's name, when there is one
	ID          string // what an administrator looks the decision up by
	ActionURL   string // the one thing to do next
	ActionLabel string
	// Sentence and CodeURL are filled in from Code: IAP's sentence about it, and where it is explained.
	Sentence string
	CodeURL  string
}

// Error writes the error as a page, or in the form that the client asked for.
func (p *Renderer) Error(w http.ResponseWriter, r *http.Request, data Error) {
	data.Status = statusOr(data.Status, http.StatusBadRequest)
	if data.ActionURL = safeLink(data.ActionURL); data.ActionLabel == "" {
		data.ActionLabel = "Try again"
	}
	explained := errorCodes[data.Code]
	data.Title = cmp.Or(data.Title, explained.title, "There was a problem with your request")
	data.Text = cmp.Or(data.Text, explained.text)
	if data.Sentence, data.CodeURL = "", ""; data.Code != 0 {
		data.Sentence, data.CodeURL = codeSentence(data.Code), codeURL(data.Code)
	}
	answer := refusal{
		Type: "about:blank", Title: data.Title, Status: data.Status, Detail: data.Text,
		Reason: data.Reason, ID: data.ID, Code: data.Code,
	}
	if !answer.write(w, r) {
		p.page(w, r, data.Status, "error", data)
	}
}

// refusal is what a program is told: RFC 9457, with our reason, id and IAP's error code as extensions.
type refusal struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Reason string `json:"reason,omitempty"`
	ID     string `json:"id,omitempty"`
	Code   int    `json:"code,omitempty"`
}

// write answers clients that did not ask for HTML and reports whether it did.
func (f refusal) write(w http.ResponseWriter, r *http.Request) bool {
	switch negotiate(r.Header.Values("Accept")) {
	case asProblem:
		body, err := json.Marshal(f)
		if err != nil {
			return false // cannot happen: strings and numbers only
		}
		Headers(w.Header())
		send(w, r, f.Status, "application/problem+json", append(body, '\n'))
	case asText:
		Headers(w.Header())
		send(w, r, f.Status, "text/plain; charset=utf-8", []byte(f.text()))
	default:
		return false
	}
	return true
}

// text is the refusal in one line, and IAP's sentence about its code in another.
func (f refusal) text() string {
	var facts []string
	if f.Reason != "" {
		facts = append(facts, "reason "+f.Reason)
	}
	if f.ID != "" {
		facts = append(facts, "id "+f.ID)
	}
	line := sentences(f.Title, f.Detail)
	if len(facts) > 0 {
		line += " (" + strings.Join(facts, ", ") + ")"
	}
	if f.Code != 0 {
		line += "\n" + codeSentence(f.Code)
	}
	return line + "\n"
}

// sentences joins texts into one line, each ended by a full stop unless it ends itself.
func sentences(texts ...string) string {
	var joined []string
	for _, text := range texts {
		if text = strings.Join(strings.Fields(text), " "); text == "" {
			continue
		}
		if !strings.ContainsAny(text[len(text)-1:], ".!?:") {
			text += "."
		}
		joined = append(joined, text)
	}
	return strings.Join(joined, " ")
}
