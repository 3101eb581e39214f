package issuer

import (
	"encoding/base64"
	"strconv"
	"sync/atomic"
	"time"
)

// Serverless makes the value of X-Serverless-Authorization, with which IAP calls Cloud Run as its own service agent.
// Applications see it after Cloud Run has checked it, with the signature taken off; so it comes from here, and proves
// nothing. It may be used by many goroutines at once.
type Serverless struct {
	Audience      string
	ProjectNumber int64
	current       atomic.Pointer[serverlessValue]
}

type serverlessValue struct {
	made   time.Time
	values []string
}

// serverlessReuse is half the lifetime of the token.
const serverlessReuse = 30 * time.Minute

// signatureRemoved stands where Cloud Run has taken a signature off.
const signatureRemoved = "SIGNATURE_REMOVED_BY_GOOGLE"

// Values returns the header's value. It is shared between requests: nobody may write to it.
func (s *Serverless) Values(now time.Time) []string {
	if current := s.current.Load(); current != nil && now.Sub(current.made).Abs() < serverlessReuse {
		return current.values
	}
	made := &serverlessValue{made: now, values: []string{"bearer " + s.token(now)}}
	s.current.Store(made)
	return made.values
}

func (s *Serverless) token(now time.Time) string {
	issued := now.Add(-assertionBackdate).Unix()
	agent := "service-" + strconv.FormatInt(s.ProjectNumber, 10) + "@gcp-sa-iap.iam.gserviceaccount.com"
	payload := appendMember([]byte{'{'}, "aud", s.Audience)
	payload = appendMember(payload, "azp", agent)
	payload = appendMember(payload, "email", agent)
	payload = append(appendName(payload, "email_verified"), "true"...)
	payload = appendNumber(payload, "exp", issued+int64(IDTokenLifetime/time.Second))
	payload = appendNumber(payload, "iat", issued)
	payload = append(appendMember(payload, "iss", "https://accounts.google.com"), '}')
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(payload) + "." + signatureRemoved
}
