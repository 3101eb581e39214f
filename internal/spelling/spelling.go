// Package spelling finds the name that somebody meant who wrote one that does not exist.
package spelling

import "strings"

// Nearest returns the known name that is closest to a misspelt one, in whatever case; empty when none is close.
func Nearest(name string, known []string) string {
	best, least := "", 3+len(name)/10 // two mistakes at most, three in a long name
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < least && d < len(k) {
			best, least = k, d
		}
	}
	return best
}

// maxName bounds what is compared: nobody misspells a name into one that is longer.
const maxName = 64

// distance is Levenshtein's.
func distance(a, b string) int {
	if len(a) > maxName || len(b) > maxName {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			above := row[j]
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			row[j] = min(above+1, row[j-1]+1, cost)
			diagonal = above
		}
	}
	return row[len(b)]
}
