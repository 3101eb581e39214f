package hello

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
)

// row is one line of a table.
type row struct{ Name, Value, Note string }

// claimRows lists every claim of a verified assertion, also those that the assertion package has no field for.
func claimRows(claims *assertion.Claims) []row {
	if claims == nil {
		return nil
	}
	var all map[string]json.RawMessage
	if err := claims.Decode(&all); err != nil {
		return nil
	}
	rows := make([]row, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		rows = append(rows, row{Name: name, Value: plain(all[name])})
		switch last := &rows[len(rows)-1]; name {
		case "iat":
			last.Note = claims.IssuedAt.UTC().Format(time.RFC3339)
		case "exp":
			last.Note = claims.Expires.UTC().Format(time.RFC3339)
		}
	}
	return rows
}

// plain takes the quotes off a string and leaves other values as they were sent.
func plain(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(value)
}

// headerRows lists the headers of the request. Credentials are shortened. What claims to be an identity is
// shown only beside a verified assertion: anybody who reaches the application could have written it.
func headerRows(r *http.Request, verified bool) []row {
	rows := []row{{Name: "Host", Value: r.Host}}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			switch {
			case isIdentity(name) && !verified:
				value = "(not shown: nothing proves it)"
			case strings.EqualFold(name, assertion.Header), strings.EqualFold(name, "Authorization"), strings.EqualFold(name, "Proxy-Authorization"):
				value = shortened(value)
			}
			rows = append(rows, row{Name: name, Value: value})
		}
	}
	return rows
}

// isIdentity reports whether a header is one of IAP's, however its name is spelled: many servers take "_" and
// "." for "-".
func isIdentity(name string) bool {
	folded := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '_'
	}, strings.ToLower(name))
	return strings.HasPrefix(folded, "x_goog_")
}

func shortened(value string) string {
	const kept = 24
	if len(value) <= kept {
		return value
	}
	return fmt.Sprintf("%s… (%d characters)", value[:kept], len(value))
}
