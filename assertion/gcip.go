package assertion

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"
)

// GCIP is the gcip claim: what Identity Platform knows about the person. IAP has been seen to send it as an
// object and as a string that holds one; both are read.
type GCIP struct {
	Subject string // without namespace
	UserID  string
	Email   string
	// EmailVerified is false unless Identity Platform says that the address was proven.
	EmailVerified bool
	Name          string
	Picture       string
	AuthTime      time.Time // when the person signed in

	// Tenant is empty for projects without tenants.
	Tenant string
	// SignInProvider is "password", "google.com", "saml.NAME", "oidc.NAME", …
	SignInProvider string
	// Identities lists what the person is called at each provider.
	Identities map[string][]string
	// SignInAttributes are the attributes that the provider sent, of any JSON type.
	SignInAttributes map[string]json.RawMessage

	payload []byte
}

// Decode unmarshals the whole gcip claim into v, for custom and session claims.
func (g *GCIP) Decode(v any) error {
	if g == nil || g.payload == nil {
		return errors.New("assertion: there is no gcip claim")
	}
	return json.Unmarshal(g.payload, v)
}

func parseGCIP(raw json.RawMessage) (*GCIP, error) {
	payload := []byte(raw)
	var text string
	if json.Unmarshal(raw, &text) == nil {
		payload = []byte(text)
	}
	o, err := parseObject(payload)
	if err != nil {
		return nil, fmt.Errorf("in \"gcip\": %w", err)
	}
	f := &fields{object: o}
	g := &GCIP{
		Subject:       f.text("sub"),
		UserID:        f.text("user_id"),
		Email:         f.text("email"),
		EmailVerified: f.truth("email_verified"),
		Name:          f.text("name"),
		Picture:       f.text("picture"),
		AuthTime:      f.seconds("auth_time"),
		payload:       payload,
	}
	if firebase := f.child("firebase"); firebase != nil {
		g.Tenant = firebase.text("tenant")
		g.SignInProvider = firebase.text("sign_in_provider")
		g.Identities = firebase.textLists("identities")
		firebase.read("sign_in_attributes", "an object", &g.SignInAttributes)
		f.join(firebase)
	}
	if f.err != nil {
		return nil, fmt.Errorf("in \"gcip\": %w", f.err)
	}
	return g, nil
}

func (g *GCIP) clone() *GCIP {
	if g == nil {
		return nil
	}
	h := *g
	h.Identities = cloneLists(g.Identities)
	h.SignInAttributes = maps.Clone(g.SignInAttributes)
	for name, value := range h.SignInAttributes {
		h.SignInAttributes[name] = append(json.RawMessage(nil), value...)
	}
	return &h
}
