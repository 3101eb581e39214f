package metrics

import (
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

// codes are the statuses that decisions have; what is not here is counted under the last.
var codes = [...]int{
	0, http.StatusOK, http.StatusFound, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
	http.StatusMethodNotAllowed, http.StatusMisdirectedRequest, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable,
	http.StatusGatewayTimeout, -1,
}

func codeIndex(status int) int {
	for i, code := range codes {
		if code == status {
			return i
		}
	}
	return len(codes) - 1
}

func codeLabel(i int) string {
	switch codes[i] {
	case 0:
		return "none"
	case -1:
		return "other"
	default:
		return strconv.Itoa(codes[i])
	}
}

// reasonIndices numbers the closed list of reasons; what is not in it has the number after the last.
var reasonIndices = func() map[policy.Reason]int {
	indices := map[policy.Reason]int{}
	for i, reason := range policy.Reasons() {
		indices[reason] = i
	}
	return indices
}()

func reasonIndex(reason policy.Reason) int {
	if i, found := reasonIndices[reason]; found {
		return i
	}
	return len(reasonIndices)
}

// decisions counts decisions. Readers find a resource in an immutable map, and in it a counter by two numbers.
type decisions struct {
	vec *prometheus.CounterVec
	of  byResource[cells]
}

func newDecisions(vec *prometheus.CounterVec) *decisions {
	return &decisions{vec: vec, of: byResource[cells]{new: func(label string) *cells {
		return newCells(label, (len(reasonIndices)+1)*len(codes))
	}}}
}

// Decision counts a decision.
func (m *Metrics) Decision(d *audit.Decision) {
	of := m.decisions.of.of(d.Resource)
	code := codeIndex(d.Status)
	of.count(reasonIndex(d.Reason)*len(codes)+code, func() prometheus.Counter {
		return m.decisions.vec.WithLabelValues(string(d.Reason), codeLabel(code), of.label)
	})
}

// cells are the counters of one resource, bound when first used.
type cells struct {
	label    string
	counters []atomic.Pointer[prometheus.Counter]
}

func newCells(label string, n int) *cells {
	return &cells{label: label, counters: make([]atomic.Pointer[prometheus.Counter], n)}
}

// count adds one to a cell. bind gives every caller the same counter, so that it does not matter who stores it.
func (c *cells) count(i int, bind func() prometheus.Counter) {
	cell := &c.counters[i]
	counter := cell.Load()
	if counter == nil {
		bound := bind()
		counter = &bound
		cell.Store(counter)
	}
	(*counter).Inc()
}
