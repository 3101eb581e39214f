// Package footprint measures what a gate costs: how soon it answers, how little it holds. It has tests only.
package footprint
