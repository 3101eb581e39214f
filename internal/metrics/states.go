package metrics

import (
	"cmp"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

// Sources are read at each scrape. A nil one tells nothing.
type Sources struct {
	Ready      func() bool            // whether people are answered
	Position   func() int64           // of the snapshot that requests read
	Confirmed  func() time.Time       // when the store last confirmed it
	Sessions   func() int             // in memory
	Log        func() audit.LogCounts // of the decision log
	LogFails   func() bool            // it loses records
	Lines      func() []Lines         // of the records, elsewhere
	Assertions func() (signed, reused uint64)
	Keys       func() []SigningKey
	Upstreams  func() []UpstreamAddress
	Exchanges  func() []ExchangeCount
	Traces     func() (exported, failed uint64) // spans
	Now        func() time.Time
}

// SigningKey is the key that signs for a purpose now.
type SigningKey struct {
	Purpose string
	From    time.Time // since when it signs
}

// Certificate is what clients are shown.
type Certificate struct {
	File     string
	NotAfter time.Time
	Kept     bool // the files hold something that cannot be used; this is the one before
}

// UpstreamAddress is one address of an application.
type UpstreamAddress struct {
	Resource string
	Address  string // such as https://10.0.0.1:8443
	// Known says that it is known whether the address is healthy: somebody looks, and has looked.
	Known, Healthy bool
	Open           bool // the circuit: requests are not sent there
	InFlight       int64
}

// ExchangeCount is how many long-lived exchanges of a kind there are, and how many the gate has ended.
type ExchangeCount struct {
	Kind  string
	Open  int64
	Ended map[string]uint64 // by reason; empty is that the server stops
}

// maxAddresses bounds the series of upstreams. What is beyond has none; it stands in /readyz.
const maxAddresses = 1000

// Observe tells where the state of the running server is read from.
func (m *Metrics) Observe(s Sources) { m.sources.Store(&s) }

// ObserveCertificates tells where the certificates are read from.
func (m *Metrics) ObserveCertificates(certificates func() []Certificate) {
	m.files.Store(&certificates)
}

func (m *Metrics) newStates() {
	m.reading(m.readServer,
		Series{Name: "gatehouse_ready", Kind: Gauge, Help: "Whether people are answered: 1, or 0 while the gate is closed or stopping, as /readyz has it."},
		Series{Name: "gatehouse_snapshot_position", Kind: Gauge, Help: "Position in the change feed of the snapshot that requests read."},
		Series{Name: "gatehouse_snapshot_age_seconds", Kind: Gauge, Help: "Time since the store last confirmed the snapshot. The gate closes when it passes maxStaleness (600)."},
		Series{Name: "gatehouse_sessions", Kind: Gauge, Help: "Sessions in memory."},
		Series{Name: "gatehouse_assertions_signed_total", Kind: Counter, Help: "Assertions that were signed."},
		Series{Name: "gatehouse_assertions_reused_total", Kind: Counter, Help: "Requests that got an assertion which had been signed less than a minute before."},
		Series{Name: "gatehouse_signing_key_age_seconds", Kind: Gauge, Labels: []string{"purpose"}, Help: "Since when the key signs that signs now."},
	)
	m.reading(m.readTraces,
		Series{Name: "gatehouse_trace_spans_total", Kind: Counter, Labels: []string{"result"}, Help: "Spans that were sent to the collector of traces, by result (exported, failed). 0 where tracing is not configured."},
	)
	m.reading(m.readLog,
		Series{Name: "gatehouse_decision_log_decisions_total", Kind: Counter, Labels: []string{"class"}, Help: "Decisions given to the decision log, by class."},
		Series{Name: "gatehouse_decision_log_unsampled_total", Kind: Counter, Help: "Anonymous requests that were sent to sign in, counted and on purpose not recorded."},
		Series{Name: "gatehouse_decision_log_dropped_total", Kind: Counter, Labels: []string{"class"}, Help: "Decisions that should have been recorded and were not: buffer full, or disk failing."},
	)
	m.reading(m.readCertificates,
		Series{Name: "gatehouse_certificate_expiry_timestamp_seconds", Kind: Gauge, Labels: []string{"file"}, Help: "When the certificate that clients are shown expires."},
		Series{Name: "gatehouse_certificate_current", Kind: Gauge, Labels: []string{"file"}, Help: "Whether the certificate is the one that the file holds: 1, or 0 while one before it is shown because the file cannot be used."},
	)
	m.reading(m.readUpstreams,
		Series{Name: "gatehouse_upstream_healthy", Kind: Gauge, Labels: []string{"resource", "address"}, Help: "Whether an address of an application passes its health check: 1 or 0; nothing where there is none."},
		Series{Name: "gatehouse_upstream_circuit_open", Kind: Gauge, Labels: []string{"resource", "address"}, Help: "Whether requests are kept from an address because those before failed: 1 or 0."},
		Series{Name: "gatehouse_upstream_requests_in_flight", Kind: Gauge, Labels: []string{"resource", "address"}, Help: "Requests under way at an address of an application."},
	)
	m.reading(m.readExchanges,
		Series{Name: "gatehouse_exchanges_open", Kind: Gauge, Labels: []string{"kind"}, Help: "Long-lived exchanges (upgraded connections, streams) that are open."},
		Series{Name: "gatehouse_exchanges_ended_total", Kind: Counter, Labels: []string{"kind", "reason"}, Help: "Long-lived exchanges that the gate ended, by reason (stopping: the server stops)."},
	)
}

func (m *Metrics) readServer(emit emit) {
	s := m.sources.Load()
	if s == nil {
		return
	}
	if s.Ready != nil {
		emit("gatehouse_ready", number(s.Ready()))
	}
	if s.Position != nil {
		emit("gatehouse_snapshot_position", float64(s.Position()))
	}
	if s.Confirmed != nil {
		emit("gatehouse_snapshot_age_seconds", max(0, s.Now().Sub(s.Confirmed()).Seconds()))
	}
	if s.Sessions != nil {
		emit("gatehouse_sessions", float64(s.Sessions()))
	}
	if s.Assertions != nil {
		signed, reused := s.Assertions()
		emit("gatehouse_assertions_signed_total", float64(signed))
		emit("gatehouse_assertions_reused_total", float64(reused))
	}
	if s.Keys != nil {
		for _, key := range s.Keys() {
			emit("gatehouse_signing_key_age_seconds", s.Now().Sub(key.From).Seconds(), key.Purpose)
		}
	}
}

func (m *Metrics) readTraces(emit emit) {
	s := m.sources.Load()
	if s == nil || s.Traces == nil {
		return
	}
	exported, failed := s.Traces()
	emit("gatehouse_trace_spans_total", float64(exported), "exported")
	emit("gatehouse_trace_spans_total", float64(failed), "failed")
}

func (m *Metrics) readLog(emit emit) {
	s := m.sources.Load()
	if s == nil || s.Log == nil {
		return
	}
	counts := s.Log()
	emit("gatehouse_decision_log_decisions_total", float64(counts.Passed), "passed")
	emit("gatehouse_decision_log_decisions_total", float64(counts.Refused), "refused")
	emit("gatehouse_decision_log_unsampled_total", float64(counts.Unsampled))
	emit("gatehouse_decision_log_dropped_total", float64(counts.DroppedPasses), "passed")
	emit("gatehouse_decision_log_dropped_total", float64(counts.DroppedRefusals), "refused")
}

func (m *Metrics) readCertificates(emit emit) {
	certificates := m.files.Load()
	if certificates == nil {
		return
	}
	told := map[string]bool{} // several listeners may show the same
	for _, c := range (*certificates)() {
		if told[c.File] {
			continue
		}
		told[c.File] = true
		emit("gatehouse_certificate_expiry_timestamp_seconds", seconds(c.NotAfter), c.File)
		emit("gatehouse_certificate_current", number(!c.Kept), c.File)
	}
}

func (m *Metrics) readUpstreams(emit emit) {
	s := m.sources.Load()
	if s == nil || s.Upstreams == nil {
		return
	}
	type place struct{ resource, address string }
	told := map[place]bool{}
	for _, u := range s.Upstreams() {
		at := place{u.Resource, u.Address}
		if told[at] || len(told) >= maxAddresses {
			continue
		}
		told[at] = true
		if u.Known {
			emit("gatehouse_upstream_healthy", number(u.Healthy), u.Resource, u.Address)
		}
		emit("gatehouse_upstream_circuit_open", number(u.Open), u.Resource, u.Address)
		emit("gatehouse_upstream_requests_in_flight", float64(u.InFlight), u.Resource, u.Address)
	}
}

func (m *Metrics) readExchanges(emit emit) {
	s := m.sources.Load()
	if s == nil || s.Exchanges == nil {
		return
	}
	for _, of := range s.Exchanges() {
		emit("gatehouse_exchanges_open", float64(of.Open), of.Kind)
		for reason, n := range of.Ended {
			emit("gatehouse_exchanges_ended_total", float64(n), of.Kind, cmp.Or(reason, "stopping"))
		}
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
