package metrics

// Lines says how many lines of the records one place besides the log has taken.
type Lines struct {
	To               string
	Written, Dropped uint64
}

func (m *Metrics) newLines() {
	m.reading(m.readLines,
		Series{Name: "gatehouse_decision_log_failing", Kind: Gauge, Help: "Whether the decision log loses records: 1 while its disk is full or too slow."},
		Series{Name: "gatehouse_audit_lines_total", Kind: Counter, Labels: []string{"to"}, Help: "Lines of the records, decisions and administrative changes, that a place besides the log has taken."},
		Series{Name: "gatehouse_audit_lines_dropped_total", Kind: Counter, Labels: []string{"to"}, Help: "Lines of the records that a place besides the log did not take in time. They are in the records themselves."},
	)
}

func (m *Metrics) readLines(emit emit) {
	s := m.sources.Load()
	if s == nil {
		return
	}
	if s.LogFails != nil {
		emit("gatehouse_decision_log_failing", number(s.LogFails()))
	}
	if s.Lines == nil {
		return
	}
	for _, l := range s.Lines() {
		emit("gatehouse_audit_lines_total", float64(l.Written), l.To)
		emit("gatehouse_audit_lines_dropped_total", float64(l.Dropped), l.To)
	}
}
