// Package programmatic holds the stories of programs: bearer tokens, refusals, what a client may not say about
// itself. It has tests only.
package programmatic
