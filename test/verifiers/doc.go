// Package verifiers shows our assertions and keys to the verifiers that applications use: Google's own in Go and
// Node, and those that the IAP guides name for other languages. It has tests only.
package verifiers
