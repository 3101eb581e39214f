// Package check points `gatehouse check` at applications in Python and Node that are right, and at such as are wrong
// in the usual ways, behind a gate. It has tests only.
package check
