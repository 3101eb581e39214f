// Package architecture owns the tests that hold the tree to its pages: imports to ARCHITECTURE.md, modules to
// docs/decisions, reasons to docs/reasons.md. It has no code of its own, and nobody imports it.
package architecture
