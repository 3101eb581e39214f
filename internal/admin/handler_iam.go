package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
)

// postResource is google.iam.v1.IAMPolicy as IAP serves it: POST /v1/{resource=**}:getIamPolicy and :setIamPolicy.
func (a *Admin) postResource(c call) (any, error) {
	written, verb, err := c.verb(c.PathValue("resource"))
	if err != nil {
		return nil, err
	}
	switch verb {
	case "getIamPolicy":
		return a.getIamPolicy(c, written)
	case "setIamPolicy":
		return a.setIamPolicy(c, written)
	default:
		return nil, c.noRoute()
	}
}

func (a *Admin) getIamPolicy(c call, written string) (any, error) {
	var request struct {
		Options struct {
			RequestedPolicyVersion int `json:"requestedPolicyVersion"`
		} `json:"options"`
	}
	if err := c.decode(&request); err != nil {
		return nil, err
	}
	switch request.Options.RequestedPolicyVersion {
	case 0, 1, 3:
	default:
		return nil, fmt.Errorf("%w: requestedPolicyVersion must be 0, 1 or 3", ErrInvalid)
	}
	name, err := a.Resolve(c.Context(), written)
	if err != nil {
		return nil, err
	}
	return a.IamPolicy(c.Context(), name)
}

func (a *Admin) setIamPolicy(c call, written string) (any, error) {
	var request struct {
		Policy     json.RawMessage `json:"policy"`
		UpdateMask string          `json:"updateMask"`
	}
	if err := c.decode(&request); err != nil {
		return nil, err
	}
	for field := range strings.SplitSeq(request.UpdateMask, ",") {
		switch strings.TrimSpace(field) {
		case "", "bindings", "etag", "version": // together they are all of a policy, and what IAM takes when no mask is given
		default:
			return nil, fmt.Errorf("%w: updateMask: a policy has no field %q that could be set", ErrInvalid, field)
		}
	}
	if len(request.Policy) == 0 || bytes.Equal(request.Policy, []byte("null")) {
		return nil, fmt.Errorf("%w: request body: policy is missing", ErrInvalid)
	}
	policy, err := iam.Parse(request.Policy)
	if err != nil {
		return nil, err
	}
	name, err := a.Resolve(c.Context(), written)
	if err != nil {
		return nil, err
	}
	return a.SetIamPolicy(c.Context(), c.actor, name, policy)
}

// postIAP turns the gate of a service on or off. In Google Cloud this is a field of the App Engine app or the
// backend service, not a method of IAP, so there is no path of Google's to take.
func (a *Admin) postIAP(c call) (any, error) {
	written, verb, err := c.verb(c.PathValue("resource"))
	if err != nil {
		return nil, err
	}
	if verb != "enable" && verb != "disable" {
		return nil, c.noRoute()
	}
	if err := c.decode(&empty{}); err != nil {
		return nil, err
	}
	name, err := a.Resolve(c.Context(), written)
	if err != nil {
		return nil, err
	}
	return a.SetIAPEnabled(c.Context(), c.actor, name, verb == "enable")
}

// Project is the project that this server serves.
type Project struct {
	ProjectID     string `json:"projectId"`
	ProjectNumber int64  `json:"projectNumber"`
}

func (a *Admin) getProject(call) (any, error) { return Project{a.ProjectID, a.ProjectNumber}, nil }

func (a *Admin) getServices(c call) (any, error) {
	services, err := a.Services(c.Context())
	return list("services", services), err
}
