// Package secrets plants secrets in everything that goes into a gate, and looks for them in everything that comes out:
// logs, records, metrics, pages, answers of the administration. It has tests only.
package secrets
