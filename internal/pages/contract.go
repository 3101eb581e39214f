package pages

// page is what one page's template is given, and what it must do with it. Custom templates are held to it before they
// are used: docs/custom-pages.md is the same in words.
type page struct {
	name string
	// script says that the page carries the fragment of the address on: the part behind # that no server sees.
	script bool
	// samples are data of the page's type, from the barest to the fullest, and what each must lead to.
	samples []sample
}

type sample struct {
	data  any
	needs []need
}

// need is an element with an attribute that a page must have, or, without a tag, a text that it must show.
type need struct{ tag, attribute, value string }

// What the samples hold.
const (
	sampleState  = "sample-state"
	sampleEmail  = "alice@example.com"
	sampleURL    = "https://app.example.com/?gcp-iap-mode=AUTHENTICATING"
	sampleReason = "not_granted"
	sampleID     = "r1-0123456789"
)

func form(action string, inputs ...string) []need {
	needs := []need{{"form", "action", action}, {"form", "method", "post"}}
	for _, name := range inputs {
		needs = append(needs, need{"input", "name", name})
	}
	return needs
}

// pageNames lists the pages that there are.
func allPages() []page {
	quick := []string{sampleEmail, "bob@example.com"}
	state := need{"input", "value", sampleState}
	return []page{
		{"signin", true, []sample{
			{SignIn{State: sampleState}, append(form("/signin", "state", "email", "password"), state)},
			{SignIn{App: "Payroll", Host: "app.example.com", State: sampleState, Email: sampleEmail, Problem: "The password is wrong.", Quick: quick},
				append(form("/signin", "state", "email", "password"), state, need{"", "", "The password is wrong."}, need{"form", "action", "/signin/account"})},
		}},
		{"chooser", true, []sample{
			{Chooser{State: sampleState}, nil},
			{Chooser{App: "Payroll", Host: "app.example.com", State: sampleState, Email: sampleEmail, Quick: quick, OtherURL: "/other", SignOutURL: "/out"},
				append(form("/signin/account", "state"), state, need{"button", "value", sampleEmail}, need{"a", "href", "/other"}, need{"a", "href", "/out"})},
		}},
		{"address", true, []sample{
			{Address{State: sampleState}, append(form("/signin/address", "state", "email"), state)},
			{Address{App: "Payroll", Host: "app.example.com", State: sampleState, Prompt: "select_account", Email: sampleEmail, Problem: "Nobody signs in with it."},
				append(form("/signin/address", "state", "email", "prompt"), state, need{"", "", "Nobody signs in with it."})},
		}},
		{"continue", true, []sample{
			{Continue{URL: sampleURL}, []need{{"a", "href", sampleURL}, {"meta", "http-equiv", "refresh"}}},
			{Continue{App: "Payroll", URL: sampleURL}, []need{{"a", "data-continue", ""}}},
		}},
		{"depart", false, []sample{
			{Depart{Provider: "Corp account", URL: sampleURL}, []need{{"a", "href", sampleURL}}},
			{Depart{Provider: "Corp account", URL: sampleURL, SignOut: true}, []need{{"a", "href", sampleURL}}},
		}},
		{"done", false, []sample{{Done{}, nil}, {Done{App: "Payroll"}, nil}}},
		{"refused", false, []sample{
			{Refused{Status: 403, Title: "You don't have access"}, []need{{"", "", "You don't have access"}}},
			{Refused{Status: 403, Title: "You don't have access", Text: "Nobody has given it.", Reason: sampleReason, ID: sampleID, Email: sampleEmail,
				App: "Payroll", SwitchURL: "/?gcp-iap-mode=CLEAR_LOGIN_COOKIE", Detail: "Ask the platform team."},
				[]need{{"", "", "Nobody has given it."}, {"", "", sampleReason}, {"", "", sampleID}, {"", "", sampleEmail}, {"", "", "Ask the platform team."},
					{"a", "href", "/?gcp-iap-mode=CLEAR_LOGIN_COOKIE"}}},
		}},
		{"error", false, []sample{
			{Error{Status: 400, Title: "Nothing here"}, []need{{"", "", "Nothing here"}}},
			{Error{Status: 400, Code: 9, Title: "Sign-in was not completed", Text: "Start again.", Reason: sampleReason, ID: sampleID,
				ActionURL: sampleURL, ActionLabel: "Start again", Sentence: codeSentence(9), CodeURL: codeURL(9)},
				[]need{{"", "", codeSentence(9)}, {"", "", "Start again."}, {"", "", sampleReason}, {"", "", sampleID}, {"a", "href", sampleURL}}},
		}},
		{"signout", false, []sample{
			{SignOut{BackURL: "/back"}, []need{{"a", "href", "/back"}}},
			{SignOut{Email: sampleEmail, Apps: 2, Provider: "Corp account", App: "Payroll", BackURL: "/back", Return: "sample-return"},
				append(form("/signout", "return"), need{"input", "value", "sample-return"}, need{"", "", sampleEmail})},
		}},
		{"refresher", false, []sample{
			{Refresher{App: "Payroll", Email: sampleEmail, SelfURL: "/self", RefreshURL: "/refresh"}, nil},
			{Refresher{App: "Payroll", SignInNeeded: true, SelfURL: "/self", RefreshURL: "/refresh"}, []need{{"a", "href", "/refresh"}}},
		}},
		{"consent", false, []sample{
			{Consent{Program: "Report writer", Email: sampleEmail, Request: sampleState},
				append(form("/signin/consent", "request"), need{"", "", "Report writer"}, need{"", "", sampleEmail}, need{"input", "value", sampleState},
					need{"button", "value", "allow"}, need{"button", "value", "deny"})},
			{Consent{Program: "Report writer", Email: sampleEmail, Request: sampleState, Until: "2 January 15:04 UTC"},
				[]need{{"", "", "2 January 15:04 UTC"}}},
		}},
		{"account", false, []sample{
			{Account{Notice: "You have signed out.", SignInURL: "/in", App: "Payroll", BackURL: "/back"}, []need{{"", "", "You have signed out."}}},
			{Account{SignedIn: true, Email: sampleEmail, Apps: 2}, append(form("/signout"), need{"", "", sampleEmail})},
		}},
	}
}
