package pages

import "strconv"

// ErrorCodes are those of IAP's error codes that pages carry. docs/error-codes.md has a section for each.
func ErrorCodes() []int { return []int{7, 9, 11, 13, 51, 52, 53} }

// codeSentence is IAP's sentence about an error code, word for word: people search for it, and programs look for its
// end.
func codeSentence(code int) string {
	return "There was a problem with your request. Please reference https://cloud.google.com/iap/docs/faq#error_codes. Error code " + strconv.Itoa(code)
}

// codeURL is where it is written what a code means here, and what to do.
func codeURL(code int) string {
	return "https://github.com/gatehouse-iap/gatehouse/blob/main/docs/error-codes.md#error-code-" + strconv.Itoa(code)
}
