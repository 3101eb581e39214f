package assertion

import (
	"net/http"
	"testing"
	"time"
)

func TestFreshness(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		control []string
		age     string
		want    time.Duration
	}{
		{"nothing said means an hour", nil, "", time.Hour},
		{"max-age is obeyed", []string{"public, max-age=7200"}, "", 2 * time.Hour},
		{"Age counts", []string{"public, max-age=7200"}, "3600", time.Hour},
		{"the shortest of two counts", []string{"max-age=7200", "Max-Age=600"}, "", 10 * time.Minute},
		{"never below a minute", []string{"max-age=0"}, "", time.Minute},
		{"nor by Age", []string{"max-age=3600"}, "86400", time.Minute},
		{"nor by an Age out of range", []string{"max-age=3600"}, "99999999999999999999", time.Minute},
		{"never above a day", []string{"max-age=31536000"}, "", 24 * time.Hour},
		{"nor out of range", []string{"max-age=99999999999999999999"}, "", 24 * time.Hour},
		{"quoted", []string{`max-age="600"`}, "", 10 * time.Minute},
		{"no number is no time", []string{"max-age=soon"}, "", time.Minute},
		{"no-cache is a minute", []string{"max-age=7200, no-cache"}, "", time.Minute},
		{"no-store is a minute", []string{"no-store"}, "", time.Minute},
		{"s-maxage is for others", []string{"s-maxage=5"}, "", time.Hour},
	} {
		header := http.Header{"Cache-Control": c.control}
		if c.age != "" {
			header.Set("Age", c.age)
		}
		if got := freshness(header); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
