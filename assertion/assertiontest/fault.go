package assertiontest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
)

// Fault is one way in which an assertion can be wrong. The first five are named, and do, what IAP names and does
// itself with ?gcp-iap-mode=SECURE_TOKEN_TEST.
type Fault string

// The faults. A program that verifies assertions as Google's guide asks refuses all of them.
const (
	FutureIssue    Fault = "FUTURE_ISSUE"    // iat is in the future
	PastExpiration Fault = "PAST_EXPIRATION" // exp is past
	WrongIssuer    Fault = "ISSUER"          // iss is not IAP
	WrongAudience  Fault = "AUDIENCE"        // made for another application
	WrongSignature Fault = "SIGNATURE"       // the kid is published, but another key signed

	AlgorithmNone  Fault = "ALG_NONE"        // not signed, and says so
	AlgorithmHS256 Fault = "ALG_HS256"       // "signed" with the public key as shared secret
	UnknownKey     Fault = "UNKNOWN_KEY"     // signed by a key that nobody publishes
	NoKeyID        Fault = "NO_KEY_ID"       // the header has no kid
	EmbeddedKey    Fault = "EMBEDDED_KEY"    // brings its own key, as jwk, under a kid that is published
	KeyURL         Fault = "KEY_URL"         // says where its key is to be fetched, as jku
	CriticalHeader Fault = "CRITICAL_HEADER" // asks for processing that nobody knows, as crit
	OtherType      Fault = "OTHER_TYPE"      // typ says that it is no assertion
	Tampered       Fault = "TAMPERED"        // the claims were changed after signing
	DERSignature   Fault = "DER_SIGNATURE"   // the signature is good, but in ASN.1
	LongLifetime   Fault = "LONG_LIFETIME"   // valid for an hour
	NoExpiration   Fault = "NO_EXPIRATION"   // exp is missing
	NoIssueTime    Fault = "NO_ISSUE_TIME"   // iat is missing
	NoAudience     Fault = "NO_AUDIENCE"     // aud is missing
	AudienceList   Fault = "AUDIENCE_LIST"   // aud is a list, with the right one in it
	NoSubject      Fault = "NO_SUBJECT"      // names an address but no subject
	DuplicateClaim Fault = "DUPLICATE_CLAIM" // has aud twice, first right, then wrong
	TooLarge       Fault = "TOO_LARGE"       // longer than any assertion
	NotAnAssertion Fault = "NOT_A_JWT"       // some other text
)

// Faults returns all of them.
func Faults() []Fault {
	return []Fault{
		FutureIssue, PastExpiration, WrongIssuer, WrongAudience, WrongSignature, AlgorithmNone, AlgorithmHS256, UnknownKey,
		NoKeyID, EmbeddedKey, KeyURL, CriticalHeader, OtherType, Tampered, DERSignature, LongLifetime, NoExpiration,
		NoIssueTime, NoAudience, AudienceList, NoSubject, DuplicateClaim, TooLarge, NotAnAssertion,
	}
}

// Reason returns why package assertion refuses it.
func (f Fault) Reason() assertion.Reason {
	switch f {
	case FutureIssue:
		return assertion.ErrIssuedInFuture
	case PastExpiration:
		return assertion.ErrExpired
	case WrongIssuer:
		return assertion.ErrIssuer
	case WrongAudience:
		return assertion.ErrAudience
	case WrongSignature, Tampered, DERSignature:
		return assertion.ErrSignature
	case AlgorithmNone, AlgorithmHS256:
		return assertion.ErrAlgorithm
	case UnknownKey:
		return assertion.ErrUnknownKey
	case NoKeyID:
		return assertion.ErrNoKeyID
	case EmbeddedKey, KeyURL, CriticalHeader, OtherType:
		return assertion.ErrHeader
	case LongLifetime:
		return assertion.ErrLifetime
	case TooLarge:
		return assertion.ErrTooLarge
	}
	return assertion.ErrMalformed
}

// Broken returns an assertion that is right but for one fault. It speaks for intruder@example.com.
func (p *IAP) Broken(fault Fault) string {
	d := p.draft().apply([]Option{Claim("email", "intruder@example.com"), Claim("sub", Subject("intruder@example.com"))})
	if token, ok := p.brokenSignature(fault, d); ok {
		return token
	}
	switch fault {
	case FutureIssue:
		d.issue(p.now().Add(assertion.MaxLifetime), assertion.MaxLifetime)
	case PastExpiration:
		d.issue(p.now().Add(-time.Hour), assertion.MaxLifetime)
	case WrongIssuer:
		d.claims["iss"] = "https://issuer.invalid"
	case WrongAudience:
		d.claims["aud"] = p.Audience + "0"
	case LongLifetime:
		d.apply([]Option{Lifetime(time.Hour)})
	case NoExpiration:
		delete(d.claims, "exp")
	case NoIssueTime:
		delete(d.claims, "iat")
	case NoAudience:
		delete(d.claims, "aud")
	case AudienceList:
		d.claims["aud"] = []string{p.Audience}
	case NoSubject:
		delete(d.claims, "sub")
	case KeyURL:
		d.header["jku"] = "https://keys.invalid/public_key-jwk"
	case CriticalHeader:
		d.header["crit"] = []string{"exp"}
	case OtherType:
		d.header["typ"] = "at+jwt"
	case TooLarge:
		d.claims["padding"] = strings.Repeat("x", assertion.MaxTokenBytes)
	case NotAnAssertion:
		return "ya29.not-an-assertion"
	default:
		panic("assertiontest: there is no fault " + string(fault))
	}
	return d.sign(p.signer())
}

// brokenSignature makes the faults that lie in how the assertion is signed.
func (p *IAP) brokenSignature(fault Fault, d *draft) (string, bool) {
	signer := p.signer()
	switch fault {
	case WrongSignature:
		return d.sign(key{id: signer.id, private: p.foreign.private}), true
	case UnknownKey:
		return d.sign(p.foreign), true
	case NoKeyID:
		return d.sign(key{private: signer.private}), true
	case EmbeddedKey:
		d.header["jwk"] = jwk(p.foreign)
		return d.sign(key{id: signer.id, private: p.foreign.private}), true
	case AlgorithmNone:
		return d.content("none", signer.id) + ".", true
	case AlgorithmHS256:
		content := d.content("HS256", signer.id)
		mac := hmac.New(sha256.New, publicPEM(signer))
		mac.Write([]byte(content))
		return content + "." + encode(mac.Sum(nil)), true
	case DERSignature:
		content := d.content("ES256", signer.id)
		digest := sha256.Sum256([]byte(content))
		der, err := ecdsa.SignASN1(rand.Reader, signer.private, digest[:])
		if err != nil {
			panic(err) // the system has no randomness
		}
		return content + "." + encode(der), true
	case Tampered:
		honest := d.sign(signer)
		d.claims["email"] = "admin@example.com"
		return d.content("ES256", signer.id) + honest[strings.LastIndexByte(honest, '.'):], true
	case DuplicateClaim:
		payload := bytes.TrimSuffix(marshal(d.claims), []byte("}"))
		payload = append(payload, fmt.Sprintf(`,"aud":%s}`, marshal(p.Audience+"0"))...)
		content := encode(d.headerJSON("ES256", signer.id)) + "." + encode(payload)
		return content + "." + encode(signature(signer, content)), true
	}
	return "", false
}
