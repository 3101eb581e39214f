// Package durability kills a gate while it writes, and looks at what is left. It has tests only.
package durability
