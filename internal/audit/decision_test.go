package audit

import "testing"

func TestADecisionIDIsReadAsPeopleCopyIt(t *testing.T) {
	t.Parallel()
	const id = "06H087E58AHC53BS941JB4Z3GW"
	tests := map[string]struct {
		text string
		ok   bool
	}{
		"as shown":                              {id, true},
		"in lower case":                         {"06h087e58ahc53bs941jb4z3gw", true},
		"with blanks around":                    {" " + id + "\n", true},
		"with O for 0 and I and l for 1":        {"O6HO87E58AHC53BS94lJB4Z3GW", true},
		"one character short":                   {id[:25], false},
		"one character more":                    {id + "0", false},
		"a letter that no id has":               {"U" + id[1:], false},
		"a last character that is another id's": {id[:25] + "X", false},
		"nothing":                               {"", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseDecisionID(test.text)
			if ok := err == nil; ok != test.ok {
				t.Fatalf("%v", err)
			}
			if test.ok && got.String() != id {
				t.Errorf("read as %s", got)
			}
		})
	}
}
