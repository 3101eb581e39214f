// Package load measures the gate under load, beside nginx and a bare httputil.ReverseProxy in the same run, and keeps
// it under load while everything around it changes. It has tests and benchmarks only: `make bench` prints the table
// and writes docs/performance.md, `make soak` runs the hour.
package load
