package metrics

// LimitCounts are read at each scrape. Counts are by the limit that was reached.
type LimitCounts struct {
	Open                  func() int64 // connections
	Connections, Requests func() map[string]uint64
	Ended                 func() map[string]uint64 // connections, without a limit
}

// ObserveLimits tells where the limits of the listeners are read from.
func (m *Metrics) ObserveLimits(c LimitCounts) { m.limits.Store(&c) }

func (m *Metrics) newLimits() {
	m.reading(m.readLimits,
		Series{Name: "gatehouse_connections", Kind: Gauge, Help: "Connections of clients that are open."},
		Series{Name: "gatehouse_refused_connections_total", Kind: Counter, Labels: []string{"reason"}, Help: "Connections that were closed for a limit, by limit."},
		Series{Name: "gatehouse_ended_connections_total", Kind: Counter, Labels: []string{"reason"}, Help: "Connections that were closed through nobody's fault, by reason: idle for too long, or silent when asked whether they are there."},
		Series{Name: "gatehouse_refused_requests_total", Kind: Counter, Labels: []string{"reason"}, Help: "Requests that were refused or cut off for a limit, by limit."},
	)
}

func (m *Metrics) readLimits(emit emit) {
	c := m.limits.Load()
	if c == nil {
		return
	}
	emit("gatehouse_connections", float64(c.Open()))
	for reason, n := range c.Connections() {
		emit("gatehouse_refused_connections_total", float64(n), reason)
	}
	for reason, n := range c.Ended() {
		emit("gatehouse_ended_connections_total", float64(n), reason)
	}
	for reason, n := range c.Requests() {
		emit("gatehouse_refused_requests_total", float64(n), reason)
	}
}
