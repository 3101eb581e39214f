// Package traffic sends large bodies through a gate that runs, both ways at the same time. It has tests only.
package traffic
