package requestid

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

func TestOnlyOneWellFormedIdIsTaken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		values []string
		want   string
	}{
		"a UUID":                     {[]string{"7f9c24e8-3b12-4c6e-9d0a-1f2e3d4c5b6a"}, "7f9c24e8-3b12-4c6e-9d0a-1f2e3d4c5b6a"},
		"a load balancer's trace id": {[]string{"Root=1-67891233-abcdef012345678912345678"}, "Root=1-67891233-abcdef012345678912345678"},
		"the longest":                {[]string{strings.Repeat("a", 128)}, strings.Repeat("a", 128)},
		"none":                       {nil, ""},
		"an empty one":               {[]string{""}, ""},
		"two":                        {[]string{"a", "b"}, ""},
		"one that is too long":       {[]string{strings.Repeat("a", 129)}, ""},
		"a space":                    {[]string{"a b"}, ""},
		"a line break":               {[]string{"a\nlevel=error"}, ""},
		"a quote":                    {[]string{`a"b`}, ""},
		"a comma":                    {[]string{"a,b"}, ""},
		"a tag":                      {[]string{"<b>"}, ""},
		"a byte beyond ASCII":        {[]string{"é"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Given(http.Header{Header: test.values}); got != test.want {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestLinesAboutARequestNameIt(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(LogHandler(slog.NewTextHandler(&out, nil))).With("room", "x")
	log.InfoContext(NewContext(context.Background(), ID{Text: "abc", Trace: "4bf9"}), "about one")
	log.Info("about none")
	lines := strings.SplitAfter(out.String(), "\n")
	if !strings.Contains(lines[0], "room=x request=abc trace=4bf9") || strings.Contains(lines[1], "request=") {
		t.Errorf("%q", lines)
	}
}

func FuzzGiven(f *testing.F) {
	f.Add("7f9c24e8")
	f.Add("a\r\nSet-Cookie: x=y")
	f.Fuzz(func(t *testing.T, value string) {
		got := Given(http.Header{Header: {value}})
		if got != "" && (got != value || len(got) > maxLength || strings.ContainsAny(got, " \r\n\t\",;<>\\{}")) {
			t.Errorf("%q", got)
		}
	})
}
