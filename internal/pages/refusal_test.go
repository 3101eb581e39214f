package pages_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
)

var notGranted = pages.Refused{
	Title: "You don't have access", Text: "Nobody has given this account access.", Reason: "not_granted", ID: "r1-42",
	Email: "bob@example.com", App: "Payroll", SwitchURL: "/?gcp-iap-mode=CLEAR_LOGIN_COOKIE", Detail: "Ask the platform team.",
}

func refused(t *testing.T, data pages.Refused) show {
	p := newRenderer(t)
	return func(w http.ResponseWriter, r *http.Request) { p.Refused(w, r, data) }
}

func failed(t *testing.T, data pages.Error) show {
	p := newRenderer(t)
	return func(w http.ResponseWriter, r *http.Request) { p.Error(w, r, data) }
}

func TestARefusalSaysWhyToWhomAndWhatToDoNext(t *testing.T) {
	t.Parallel()
	response := get(t, refused(t, notGranted))
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("status = %d, want 403", response.StatusCode)
	}
	document := parse(t, response)
	main := document.one(t, "main")
	for _, want := range []string{"You don't have access", "Nobody has given this account access.", "Signed in as bob@example.com", "Payroll", "not_granted", "Ask the platform team."} {
		if !strings.Contains(main.text(), want) {
			t.Errorf("the page does not say %q: %q", want, main.text())
		}
	}
	if ids := main.where("code", "class", "id"); len(ids) != 1 || ids[0].text() != "r1-42" {
		t.Errorf("the reference cannot be selected by itself")
	}
	if link := main.one(t, "a"); link.attr("href") != notGranted.SwitchURL || link.text() != "Use another account" {
		t.Errorf("link %q to %q", link.text(), link.attr("href"))
	}
}

func TestARefusalOffersNoLinkThatCouldRunOrMislead(t *testing.T) {
	t.Parallel()
	for _, hostile := range []string{"javascript:alert(1)", "//evil.example", `\\evil.example`, `/\evil.example`, "/\t/evil.example", "ftp://a.example/", "mailto:a@example.com", "https://app.example@evil.example/"} {
		data := notGranted
		data.SwitchURL = hostile
		if links := parse(t, get(t, refused(t, data))).all("a"); len(links) > 0 {
			t.Errorf("%q is offered as %q", hostile, links[0].attr("href"))
		}
	}
}

func TestAnErrorSaysIAPsCodeAndOneThingToDo(t *testing.T) {
	t.Parallel()
	response := get(t, failed(t, pages.Error{Code: 9, Title: "Sign-in was not completed", Text: "Start again.", Reason: "sign_in_refused", ID: "r1-43", ActionURL: "/payroll", ActionLabel: "Start again"}))
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("status = %d, want 400, as in IAP", response.StatusCode)
	}
	main := parse(t, response).one(t, "main")
	for _, want := range []string{"Sign-in was not completed", "sign_in_refused", "r1-43",
		"There was a problem with your request. Please reference https://cloud.google.com/iap/docs/faq#error_codes. Error code 9"} {
		if !strings.Contains(main.text(), want) {
			t.Errorf("the page does not say %q: %q", want, main.text())
		}
	}
	links := main.all("a")
	if len(links) != 2 || links[0].attr("href") != "/payroll" || links[0].text() != "Start again" || !strings.HasSuffix(links[1].attr("href"), "/docs/error-codes.md#error-code-9") {
		t.Errorf("%d links, the first %q to %q", len(links), links[0].text(), links[0].attr("href"))
	}
	without := parse(t, get(t, failed(t, pages.Error{Status: http.StatusNotFound, Title: "Nothing here"})))
	if strings.Contains(without.text(), "Error code") {
		t.Error("an error without a code names one")
	}
}

func TestEveryErrorCodeHasAPageThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	if got, want := pages.ErrorCodes(), []int{7, 8, 9, 11, 13, 37, 38, 39, 40, 41, 42, 43, 51, 52, 53}; !slices.Equal(got, want) {
		t.Errorf("the codes are %v, not IAP's %v", got, want)
	}
	whatToDo := regexp.MustCompile(`(?i)(start|sign in|open|try|check|use|tell|ask|administrator)[^.]*\.`)
	for _, code := range pages.ErrorCodes() {
		response := get(t, failed(t, pages.Error{Code: code}))
		document := parse(t, response)
		main := document.one(t, "main")
		if title := main.one(t, "h1").text(); title == "" || title == "There was a problem with your request" {
			t.Errorf("code %d: the headline %q says nothing", code, title)
		}
		lead := main.where("p", "class", "lead")
		if len(lead) != 1 || !whatToDo.MatchString(lead[0].text()) {
			t.Errorf("code %d: the page does not say what to do: %q", code, main.text())
		}
		if !strings.Contains(main.text(), fmt.Sprintf("faq#error_codes. Error code %d", code)) {
			t.Errorf("code %d: the page does not have IAP's sentence: %q", code, main.text())
		}
	}
}

func TestEachClientIsRefusedInTheFormItReads(t *testing.T) {
	t.Parallel()
	const page, problem, text = "text/html; charset=utf-8", "application/problem+json", "text/plain; charset=utf-8"
	for name, test := range map[string]struct{ accept, want string }{
		"a browser":                              {browserAccept, page},
		"curl":                                   {"*/*", page},
		"a client that says nothing":             {"", page},
		"any text":                               {"text/*", page},
		"HTML and JSON alike":                    {"application/json, text/html;q=0.5", page},
		"JSON only":                              {"application/json", problem},
		"problem details only":                   {"application/problem+json", problem},
		"any application type":                   {"application/*", problem},
		"JSON, and the rest through a wildcard":  {"application/json, text/plain, */*", problem},
		"everything but HTML":                    {"text/html;q=0, */*", problem},
		"JSON is refused, the wildcard is not":   {"application/json;q=0, */*;q=0.1", page},
		"plain text":                             {"text/plain", text},
		"an image":                               {"image/avif,image/webp,image/*;q=0.8", text},
		"nothing at all":                         {"text/html;q=0", text},
		"what cannot be read admits nothing":     {"text/html;q=nonsense", text},
		"a quality out of range admits nothing":  {"text/html;q=-1, application/json;q=NaN", text},
		"named twice, the better counts":         {"text/html, text/html;q=0", page},
		"an unreadable entry spoils not another": {";;;, application/json", problem},
	} {
		for kind, response := range map[string]*http.Response{
			"refused": get(t, refused(t, notGranted), http.MethodGet, test.accept),
			"error":   get(t, failed(t, pages.Error{Code: 9}), http.MethodGet, test.accept),
		} {
			if got := response.Header.Get("Content-Type"); got != test.want {
				t.Errorf("%s (%q), %s: Content-Type = %q, want %q", name, test.accept, kind, got, test.want)
			}
		}
	}
}

func TestAProgramIsToldReasonAndIdAsProblemDetails(t *testing.T) {
	t.Parallel()
	response := get(t, refused(t, notGranted), http.MethodGet, "application/json")
	var got map[string]any
	if err := json.Unmarshal([]byte(read(t, response)), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type": "about:blank", "title": "You don't have access", "status": 403.0, "reason": "not_granted", "id": "r1-42",
		"detail": "Nobody has given this account access. Ask the platform team.",
	}
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s = %v, want %v", key, got[key], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want no more than %v", got, want)
	}
	response = get(t, failed(t, pages.Error{Status: http.StatusTooManyRequests, Code: 51}), http.MethodGet, "application/problem+json")
	var code struct{ Status, Code int }
	if err := json.Unmarshal([]byte(read(t, response)), &code); err != nil || code.Status != 429 || code.Code != 51 {
		t.Errorf("got %+v, %v", code, err)
	}
}

func TestAClientThatReadsNeitherIsToldASentence(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		page show
		want string
	}{
		"a refusal":          {refused(t, notGranted), "You don't have access. Nobody has given this account access. Ask the platform team. (reason not_granted, id r1-42)\n"},
		"an error":           {failed(t, pages.Error{Code: 9, Text: "Start again."}), "Sign-in was not completed. Start again.\nThere was a problem with your request. Please reference https://cloud.google.com/iap/docs/faq#error_codes. Error code 9\n"},
		"a bare error":       {failed(t, pages.Error{}), "There was a problem with your request.\n"},
		"one line, no other": {failed(t, pages.Error{Title: "Nothing\r\nhere", Text: "  "}), "Nothing here.\n"},
	} {
		if got := read(t, get(t, test.page, http.MethodGet, "image/png")); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestWhatComesFarBehindInAcceptIsNotRead(t *testing.T) {
	t.Parallel()
	behind := func(filler string) http.Header { return http.Header{"Accept": {filler + ",text/html"}} }
	if !pages.AdmitsHTML(behind(strings.Repeat("a/b,", 500))) {
		t.Error("text/html behind 500 others is not admitted")
	}
	if pages.AdmitsHTML(behind(strings.Repeat("a/b,", 15000))) || pages.AdmitsHTML(behind("a/b"+strings.Repeat(";a", 30000))) {
		t.Error("60 KiB of Accept are read")
	}
}

func TestAdmitsHTMLFollowsAccept(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		browserAccept: true, "*/*": true, "text/html;q=0.1": true,
		"application/json": false, "text/html;q=0": false, "text/html;q=0, */*": false, "": false,
	} {
		if got := pages.AdmitsHTML(http.Header{"Accept": {accept}}); got != want {
			t.Errorf("Accept %q: %v, want %v", accept, got, want)
		}
	}
	if !pages.AdmitsHTML(http.Header{}) {
		t.Error("a client that sends no Accept takes anything")
	}
	if !pages.AdmitsHTML(http.Header{"Accept": {"application/json", "text/html"}}) {
		t.Error("several Accept lines are one list")
	}
}
