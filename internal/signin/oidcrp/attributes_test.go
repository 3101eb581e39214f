package oidcrp

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestClaimsBecomeAttributesAsText(t *testing.T) {
	t.Parallel()
	c := &claims{}
	if err := json.Unmarshal([]byte(`{"department":"Research","sites":["Berlin","Lisbon"],"cost_center":4711,"manager":true,
		"none":null,"empty":"","address":{"street":"x"},"mixed":["a",1,null,{"b":2},["c"]],"secret":"not asked for"}`), &c.raw); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(c.attributes([]string{"cost_center", "department", "sites", "manager", "none", "empty", "address", "mixed", "absent"}))
	if want := "[{cost_center [4711]} {department [Research]} {sites [Berlin Lisbon]} {manager [true]} {mixed [a 1]}]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
