package pages

import (
	"maps"
	"slices"
	"strconv"
)

// explanation is what a page says of an error code when whoever shows it has nothing closer to say.
type explanation struct{ title, text string }

// errorCodes are IAP's error codes of applications, each with what it means and what to do. No path leads to 8 and 37
// to 43 as long as no application has people from Identity Platform; they stand here so that no code is without words.
var errorCodes = map[int]explanation{
	7:  {"Sign-in is not set up correctly", "The secret by which the gate proves itself to the identity provider is empty or cannot be read. Tell an administrator."},
	8:  {"Sign-in is not set up correctly", "The address of the application's own sign-in page cannot be built. An administrator has to correct the sign-in page's address in the application's settings."},
	9:  {"Sign-in was not completed", "A step of signing in could not be completed. Start again from the application's own address."},
	11: {"Sign-in is not set up correctly", "The identity provider and this gate do not accept each other's settings. Tell an administrator."},
	13: {"Sign-in was not completed", "The token of the identity provider proves nothing. Start again; if it happens again, tell an administrator."},
	37: {"Sign-in was not completed", "The token that the application's sign-in page gave is not one of its identity provider. Sign in again; if it happens again, an administrator has to see that the page and the application are of the same project."},
	38: {"Sign-in is not set up correctly", "The application has no sign-in page for the people of its identity provider. An administrator has to name one in the application's settings."},
	39: {"Sign-in was not completed", "What the application's sign-in page sent back is not an answer to this sign-in. Start again from the application's own address."},
	40: {"Sign-in is not available right now", "The project of the application's identity provider could not be found out. Try again in a minute; if it happens again, tell an administrator."},
	41: {"Sign-in was not completed", "The session could not be sealed. Try again in a minute; if it happens again, tell an administrator."},
	42: {"Sign-in was not completed", "The session cannot be opened: another gate sealed it, or it is too old. Sign in again."},
	43: {"Address not accepted", "What came back from signing in is not written as an address. Start again from the application's own address."},
	51: {"Another connection is needed", "The host name does not belong on the encrypted connection that the request came over. Open the address again; a program must name the host of the request when it connects (SNI)."},
	52: {"Another connection is needed", "No certificate names this host. Check the address; if it is right, tell an administrator."},
	53: {"Address not accepted", "The application may not be reached under this host name. Use the application's own address, or ask an administrator."},
}

// ErrorCodes are those of IAP's error codes that have a page. docs/error-codes.md has a section for each.
func ErrorCodes() []int { return slices.Sorted(maps.Keys(errorCodes)) }

// codeSentence is IAP's sentence about an error code, word for word: people search for it, and programs look for its
// end.
func codeSentence(code int) string {
	return "There was a problem with your request. Please reference https://cloud.google.com/iap/docs/faq#error_codes. Error code " + strconv.Itoa(code)
}

// codeURL is where it is written what a code means here, and what to do.
func codeURL(code int) string {
	return "https://github.com/gatehouse-iap/gatehouse/blob/main/docs/error-codes.md#error-code-" + strconv.Itoa(code)
}
