package identityprovider_test

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestClaimsBecomeAttributesAsText(t *testing.T) {
	t.Parallel()
	var claims map[string]json.RawMessage
	if err := json.Unmarshal([]byte(`{"department":"Research","sites":["Berlin","Lisbon"],"cost_center":4711,"manager":true,
		"none":null,"empty":"","address":{"street":"x"},"mixed":["a",1,null,{"b":2},["c"]],"secret":"not asked for"}`), &claims); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(provider{Attributes: []string{"cost_center", "department", "sites", "manager", "none", "empty", "address", "mixed", "absent"}}.AttributesOf(claims))
	if want := "[{cost_center [4711]} {department [Research]} {sites [Berlin Lisbon]} {manager [true]} {mixed [a 1]}]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
