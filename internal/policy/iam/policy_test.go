package iam_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

func TestDocumentsThatAreUnderstoodLoad(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"YAML as gcloud prints it": "bindings:\n- members:\n  - user:Alice@Example.com\n  role: roles/iap.httpsResourceAccessor\netag: BwWKmjvelug=\nversion: 1\n",
		"JSON as gcloud prints it": `{"bindings":[{"members":["user:alice@example.com"],"role":"roles/iap.httpsResourceAccessor"}],"etag":"BwWKmjvelug=","version":1}`,
		"a member named twice":     `{"etag":"BwWKmjvelug=","version":1,"bindings":[{"role":"roles/iap.httpsResourceAccessor","members":["user:alice@example.com","user:ALICE@example.com"]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := iam.Parse([]byte(document))
			if err != nil {
				t.Fatal(err)
			}
			if got.Etag != "BwWKmjvelug=" || len(got.Bindings) != 1 || len(got.Bindings[0].Members) != 1 || got.Bindings[0].Members[0] != "user:alice@example.com" {
				t.Errorf("read as %+v", got)
			}
		})
	}
}

func TestDocumentsThatAreNotUnderstoodRefuseToLoad(t *testing.T) {
	t.Parallel()
	binding := func(b string) string { return `{"bindings":[` + b + `]}` }
	accessor := `"role":"roles/iap.httpsResourceAccessor"`
	tooMany := strings.Builder{}
	for i := range iam.MaxPrincipals + 1 {
		fmt.Fprintf(&tooMany, `"user:u%d@example.com",`, i)
	}
	for name, c := range map[string]struct{ document, says string }{
		"an empty document":           {"", "empty"},
		"a second document":           {"version: 1\n---\nversion: 1\n", "more than one document"},
		"an unknown field":            {`{"binding":[]}`, "binding is unknown in a policy"},
		"an unknown field of binding": {binding(`{` + accessor + `,"members":[],"member":"allUsers"}`), "member is unknown in a binding"},
		"a repeated field":            {`{"version":1,"version":3}`, "already defined"},
		"a condition":                 {binding(`{` + accessor + `,"members":["allUsers"],"condition":{"expression":"true"}}`), "conditions are not supported yet"},
		"an unknown role":             {binding(`{"role":"roles/iap.httpsResourceAcessor","members":["allUsers"]}`), "is unknown"},
		"a role in another case":      {binding(`{"role":"roles/IAP.httpsResourceAccessor","members":["allUsers"]}`), "is unknown"},
		"an unknown kind of member":   {binding(`{` + accessor + `,"members":["person:a@example.com"]}`), "not an IAM member"},
		"a principal set":             {binding(`{` + accessor + `,"members":["principalSet://x"]}`), "not an IAM member"},
		"a deleted member":            {binding(`{` + accessor + `,"members":["deleted:user:a@example.com?uid=1"]}`), "not an IAM member"},
		"an address with two @":       {binding(`{` + accessor + `,"members":["user:a@evil.com@example.com"]}`), "exactly one @"},
		"allUsers with a colon":       {binding(`{` + accessor + `,"members":["allUsers:"]}`), "stands alone"},
		"a look-alike of allUsers":    {binding(`{` + accessor + `,"members":["allusers"]}`), "not an IAM member"},
		"a member with white space":   {binding(`{` + accessor + `,"members":["user:a@example.com "]}`), "not an IAM member"},
		"version 2":                   {`{"version":2}`, "version 2"},
		"audit configuration":         {`{"auditConfigs":[{"service":"allServices"}]}`, "auditConfigs"},
		"too many members":            {binding(`{` + accessor + `,"members":[` + strings.TrimSuffix(tooMany.String(), ",") + `]}`), "group"},
		"members that are no list":    {binding(`{` + accessor + `,"members":"allUsers"}`), "text `allUsers` stands where a list of members belongs"},
		"a list":                      {`[1]`, "line 1: a list stands where a policy belongs"},
		"bindings that are no list":   {`{"bindings":{}}`, "a mapping stands where a list of bindings belongs"},
		"a binding that is a word":    {binding(`"allUsers"`), "text `allUsers` stands where a binding belongs"},
		"a version that is a word":    {`{"version":"x"}`, "stands where a number belongs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := iam.Parse([]byte(c.document))
			if !errors.Is(err, iam.ErrInvalid) {
				t.Fatalf("read as %+v, %v", got, err)
			}
			if text := err.Error(); !strings.Contains(text, c.says) || strings.Contains(text, "iam.") {
				t.Errorf("says %q, not %q", err, c.says)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"bindings":[{"role":"roles/iap.httpsResourceAccessor","members":["user:a@example.com"]}]}`))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		policy, err := iam.Parse(data)
		if err != nil {
			return
		}
		interner := (&principal.Interner{}).Edit()
		if _, err := iam.Compile("projects/1", policy, interner); err != nil {
			t.Fatalf("%q was read but does not compile: %v", data, err)
		}
	})
}
