package metrics

import "testing"

func TestWhatLimitsEndIsCountedByLimit(t *testing.T) {
	t.Parallel()
	m := New("test")
	m.ObserveLimits(LimitCounts{
		Open:        func() int64 { return 7 },
		Connections: func() map[string]uint64 { return map[string]uint64{"address": 3, "slow": 0} },
		Requests:    func() map[string]uint64 { return map[string]uint64{"body": 2} },
		Ended:       func() map[string]uint64 { return map[string]uint64{"idle": 9} },
	})
	has(t, scrape(t, m), "gatehouse_connections 7", `gatehouse_refused_connections_total{reason="address"} 3`,
		`gatehouse_refused_connections_total{reason="slow"} 0`, `gatehouse_refused_requests_total{reason="body"} 2`, `gatehouse_ended_connections_total{reason="idle"} 9`)
}
