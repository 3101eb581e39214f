package assertion

import "strings"

// Reason says why an assertion was refused. The list is closed and the values are stable: use them as metric
// labels and in tests. Each Reason is also an error, so that errors.Is(err, assertion.ErrExpired) works on
// whatever [Verifier.Verify] and the middleware return.
type Reason string

// The reasons, in the order in which they are tested. Everything from ErrIssuer on is said only about
// assertions whose signature is good.
const (
	ErrMissing         Reason = "missing"          // the request carries no assertion
	ErrMultiple        Reason = "multiple"         // the request carries several
	ErrTooLarge        Reason = "too_large"        // longer than MaxTokenBytes
	ErrMalformed       Reason = "malformed"        // not a JWT, or one that two programs could read differently
	ErrAlgorithm       Reason = "algorithm"        // alg is not ES256
	ErrHeader          Reason = "header"           // the header brings a key, or asks for processing of its own
	ErrNoKeyID         Reason = "no_key_id"        // the header has no kid
	ErrUnknownKey      Reason = "unknown_key"      // nobody publishes a key with this kid
	ErrKeysUnavailable Reason = "keys_unavailable" // the keys could not be had; not the caller's fault
	ErrSignature       Reason = "signature"        // the key did not make this signature
	ErrIssuer          Reason = "issuer"           // iss is not IAP
	ErrAudience        Reason = "audience"         // made for another application
	ErrIssuedInFuture  Reason = "issued_in_future" // iat (or nbf) is later than now
	ErrExpired         Reason = "expired"          // exp is past
	ErrLifetime        Reason = "lifetime"         // valid for longer than IAP ever grants, or for no time
	ErrNobodySignedIn  Reason = "nobody_signed_in" // genuine, but about no one: the resource is open to allUsers
)

// Reasons returns the whole list.
func Reasons() []Reason {
	return []Reason{
		ErrMissing, ErrMultiple, ErrTooLarge, ErrMalformed, ErrAlgorithm, ErrHeader, ErrNoKeyID, ErrUnknownKey,
		ErrKeysUnavailable, ErrSignature, ErrIssuer, ErrAudience, ErrIssuedInFuture, ErrExpired, ErrLifetime, ErrNobodySignedIn,
	}
}

// Text returns one sentence about the reason that may be shown to anyone.
func (r Reason) Text() string {
	switch r {
	case ErrMissing:
		return "the request carries no IAP assertion: it did not come through Identity-Aware Proxy"
	case ErrMultiple:
		return "the request carries more than one IAP assertion"
	case ErrTooLarge:
		return "the IAP assertion is too large"
	case ErrMalformed:
		return "the IAP assertion cannot be read"
	case ErrAlgorithm:
		return "the IAP assertion is not signed with ES256"
	case ErrHeader:
		return "the IAP assertion has a header parameter that is not accepted"
	case ErrNoKeyID:
		return "the IAP assertion does not name its key"
	case ErrUnknownKey:
		return "the IAP assertion names a key that is not published"
	case ErrKeysUnavailable:
		return "the keys to check the IAP assertion are not available"
	case ErrSignature:
		return "the signature of the IAP assertion is wrong"
	case ErrIssuer:
		return "the IAP assertion has the wrong issuer"
	case ErrAudience:
		return "the IAP assertion is for another application"
	case ErrIssuedInFuture:
		return "the IAP assertion is from the future"
	case ErrExpired:
		return "the IAP assertion has expired"
	case ErrLifetime:
		return "the IAP assertion is valid for an impossible time"
	case ErrNobodySignedIn:
		return "nobody is signed in"
	}
	return "the IAP assertion was refused"
}

// Error makes every Reason an error that errors.Is can look for.
func (r Reason) Error() string { return "assertion: " + r.Text() }

// Error is what every refusal returns: the reason, and for the log what exactly was found.
type Error struct {
	Reason Reason
	// Detail belongs in a log and not in an answer: it may quote what the assertion says. It never holds the
	// assertion itself.
	Detail string
	// Err is the cause, for example why the keys could not be fetched; often nil.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Reason.Error())
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap lets errors.Is and errors.As find the reason and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}

func refuse(reason Reason, detail string) *Error { return &Error{Reason: reason, Detail: detail} }
