// Package monitoring holds what docs/monitoring gives to operators against the gate: every name in the alerts and in
// the dashboard exists, and a real Prometheus that scrapes a real gate evaluates every expression.
package monitoring
