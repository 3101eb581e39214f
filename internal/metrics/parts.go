package metrics

import "time"

// newParts makes the series of what happens beside requests.
func (m *Metrics) newParts() {
	m.signIns = m.counter(Series{
		Name: "gatehouse_sign_ins_total", Labels: []string{"provider", "outcome"},
		Help: "Sign-ins that came to an end at an identity provider (local: passwords kept here): success, or the reason of the refusal.",
	})
	m.providerFetches = m.counter(Series{
		Name: "gatehouse_provider_fetches_total", Labels: []string{"provider", "document", "result"},
		Help: "Fetches of an identity provider's discovery document and keys, by result (success, failure).",
	})
	m.rechecks = m.counter(Series{
		Name: "gatehouse_session_rechecks_total", Labels: []string{"provider", "result"},
		Help: "Sessions about which an identity provider was asked again: confirmed, unanswered (the session goes on for an hour at most), or ended.",
	})
	m.refreshes = m.counter(Series{
		Name: "gatehouse_snapshot_refreshes_total", Labels: []string{"result"},
		Help: "Readings of the store for the snapshot: unchanged, rebuilt, or failure.",
	})
	m.refreshTime = m.histogram(Series{
		Name: "gatehouse_snapshot_refresh_duration_seconds", Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .5, 2.5, 10},
		Help: "How long it took to read the store and rebuild the snapshot, where something had changed.",
	}).WithLabelValues()
	m.storeTime = m.histogram(Series{
		Name: "gatehouse_store_duration_seconds", Labels: []string{"operation"}, Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 2.5, 10},
		Help: "How long transactions of the store took (read, write), waiting for their turn included.",
	})
	m.storeErrors = m.counter(Series{
		Name: "gatehouse_store_errors_total", Labels: []string{"operation"},
		Help: "Transactions of the store (read, write) that failed in the store itself. Answers such as not found are none.",
	})
	for _, operation := range []string{"read", "write"} {
		m.storeTime.WithLabelValues(operation)
		m.storeErrors.WithLabelValues(operation)
	}
	for _, result := range []string{"unchanged", "rebuilt", "failure"} {
		m.refreshes.WithLabelValues(result)
	}
}

// SignIn counts a sign-in at a provider; the outcome is "success" or a reason.
func (m *Metrics) SignIn(provider, outcome string) {
	m.signIns.WithLabelValues(provider, outcome).Inc()
}

// ProviderFetch counts a fetch of what a provider publishes.
func (m *Metrics) ProviderFetch(provider, document string, err error) {
	result := "success"
	if err != nil {
		result = "failure"
	}
	m.providerFetches.WithLabelValues(provider, document, result).Inc()
}

// Rechecked counts that a provider was asked again about a session.
func (m *Metrics) Rechecked(provider, result string) {
	m.rechecks.WithLabelValues(provider, result).Inc()
}

// Refreshed notes a reading of the store for the snapshot.
func (m *Metrics) Refreshed(took time.Duration, changed bool, err error) {
	switch {
	case err != nil:
		m.refreshes.WithLabelValues("failure").Inc()
	case changed:
		m.refreshes.WithLabelValues("rebuilt").Inc()
		m.refreshTime.Observe(took.Seconds())
	default:
		m.refreshes.WithLabelValues("unchanged").Inc()
	}
}

// Stored notes a transaction of the store; failed says that the store itself did.
func (m *Metrics) Stored(operation string, took time.Duration, failed bool) {
	m.storeTime.WithLabelValues(operation).Observe(took.Seconds())
	if failed {
		m.storeErrors.WithLabelValues(operation).Inc()
	}
}
