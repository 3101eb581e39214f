// Package longlived holds the gate to what it promises about exchanges that last: what they cost, what passes through
// them, and how they end. It has tests only.
package longlived
