package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

var (
	// ErrInvalid is wrapped by refusals of arguments that no other room owns.
	ErrInvalid = errors.New("invalid argument")
	// ErrNotFound is wrapped where something is missing that no other room owns.
	ErrNotFound = errors.New("not found")
	// ErrPrecondition is wrapped by refusals of what the present state does not allow.
	ErrPrecondition = errors.New("not possible now")
	// ErrNotSettled reports a change that is stored, but that requests may not see yet.
	ErrNotSettled = errors.New("the change is stored, but requests may not see it yet: look again in a moment before relying on it")

	errNoActor   = errors.New("nobody is named as the author of this change")
	errForbidden = errors.New("only the owner of the server process and root may administer it through this socket")
	errNoRoute   = errors.New("no such method of the administration API")
)

// Problem is an error as Google's APIs answer it, without the {"error": …} around it.
type Problem struct {
	Code    int         `json:"code"`
	Status  string      `json:"status"`
	Message string      `json:"message"`
	Details []ErrorInfo `json:"details,omitempty"`
}

// ErrorInfo is google.rpc.ErrorInfo: a reason that programs can rely on; or google.rpc.BadRequest: what is wrong,
// field by field.
type ErrorInfo struct {
	Type   string `json:"@type"`
	Reason string `json:"reason,omitempty"`
	Domain string `json:"domain,omitempty"`

	FieldViolations []FieldViolation `json:"fieldViolations,omitempty"`
}

// FieldViolation says what is wrong with one field, such as "documents[3].spec.hosts[0]".
type FieldViolation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

// The reasons that ErrorInfo carries.
const (
	ReasonEtagMismatch = "ETAG_MISMATCH"
	ReasonNotSettled   = "NOT_SETTLED"
	ReasonOwned        = "OWNED_BY_MANIFEST"
)

type class struct {
	code   int
	status string
	reason string
	causes []error
}

// classes says how each error of the rooms is answered; the first that matches counts. What is in none of them
// is internal: logged, not shown.
func classes() []class {
	return []class{
		{http.StatusServiceUnavailable, "UNAVAILABLE", ReasonNotSettled, []error{ErrNotSettled}},
		{http.StatusForbidden, "PERMISSION_DENIED", "", []error{errForbidden, errNoActor}},
		{http.StatusConflict, "ABORTED", ReasonEtagMismatch, []error{iam.ErrEtag, settings.ErrEtag}},
		{http.StatusConflict, "ALREADY_EXISTS", "", []error{directory.ErrExists}},
		{http.StatusNotFound, "NOT_FOUND", "", []error{
			ErrNotFound, errNoRoute, catalog.ErrNotFound, directory.ErrNotFound, session.ErrNotFound, issuer.ErrNotFound, audit.ErrNoDecision,
			identityprovider.ErrNotFound, identityprovider.ErrNoLink,
		}},
		{http.StatusBadRequest, "FAILED_PRECONDITION", ReasonOwned, []error{ErrOwned}},
		{http.StatusBadRequest, "FAILED_PRECONDITION", "", []error{ErrPrecondition, issuer.ErrWaiting, issuer.ErrTooMany, issuer.ErrRevoked, identityprovider.ErrNumberTaken}},
		{http.StatusBadRequest, "INVALID_ARGUMENT", "", []error{
			ErrInvalid, iam.ErrInvalid, catalog.ErrInvalid, directory.ErrInvalid, resource.ErrInvalid, principal.ErrAddress, principal.ErrMember,
			identityprovider.ErrInvalid, settings.ErrInvalid,
		}},
		{http.StatusGatewayTimeout, "DEADLINE_EXCEEDED", "", []error{context.DeadlineExceeded}},
	}
}

// problemOf returns the answer to an error, and whether its text may be shown.
func problemOf(err error) (Problem, bool) {
	for _, c := range classes() {
		for _, cause := range c.causes {
			if !errors.Is(err, cause) {
				continue
			}
			p := Problem{Code: c.code, Status: c.status, Message: err.Error()}
			if c.reason != "" {
				p.Details = []ErrorInfo{{Type: "type.googleapis.com/google.rpc.ErrorInfo", Reason: c.reason, Domain: "gatehouse"}}
			}
			var faults Faults
			var wrong settings.Faults
			if errors.As(err, &faults) {
				p.Details = append(p.Details, faults.violations())
			} else if errors.As(err, &wrong) {
				p.Details = append(p.Details, violationsOf(wrong))
			} else if errors.Is(err, iam.ErrEtag) {
				p.Message = "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff."
			}
			return p, true
		}
	}
	return Problem{Code: http.StatusInternalServerError, Status: "INTERNAL"}, false
}

func violationsOf(faults settings.Faults) ErrorInfo {
	info := ErrorInfo{Type: badRequest}
	for _, f := range faults {
		info.FieldViolations = append(info.FieldViolations, FieldViolation{"iapSettings." + f.Path, f.Text})
	}
	return info
}

// problemOrID is the answer to an error. An internal one is logged under an id, and only the id is shown.
func problemOrID(r *http.Request, log *slog.Logger, err error) Problem {
	p, public := problemOf(err)
	if !public {
		var id [8]byte
		rand.Read(id[:]) // never fails (crypto/rand)
		name := hex.EncodeToString(id[:])
		log.ErrorContext(r.Context(), "administrative request failed", "id", name, "method", r.Method, "path", r.URL.Path, "error", err)
		p.Message = "internal error: the server's log has the cause under id " + name
	}
	return p
}

// writeProblem answers with an error.
func writeProblem(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	p := problemOrID(r, log, err)
	writeJSON(w, p.Code, map[string]Problem{"error": p})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // a peer that is gone needs no answer
}
