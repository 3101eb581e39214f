// Package browser holds the stories that people go through, told in a real browser. It has tests only.
package browser
