package metrics

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// maxResources is how many resources have series of their own; all later ones share that of "other".
const maxResources = 1000

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
	vec   *prometheus.CounterVec
	bound atomic.Pointer[map[resource.Name]*counters]
	mu    sync.Mutex // held while a resource gets its counters, or a counter is bound
}

// counters are those of one resource, bound when first used.
type counters struct {
	label string
	cells []atomic.Pointer[prometheus.Counter] // by reason, then code
}

func newCounters(label string) *counters {
	return &counters{label: label, cells: make([]atomic.Pointer[prometheus.Counter], (len(reasonIndices)+1)*len(codes))}
}

// Decision counts a decision.
func (m *Metrics) Decision(d *audit.Decision) { m.decisions.count(d) }

func (c *decisions) count(d *audit.Decision) {
	of := c.of(d.Resource)
	cell := &of.cells[reasonIndex(d.Reason)*len(codes)+codeIndex(d.Status)]
	if counter := cell.Load(); counter != nil {
		(*counter).Inc()
		return
	}
	c.mu.Lock()
	if cell.Load() == nil {
		counter := c.vec.WithLabelValues(string(d.Reason), codeLabel(codeIndex(d.Status)), of.label)
		cell.Store(&counter)
	}
	c.mu.Unlock()
	(*cell.Load()).Inc()
}

// other is the key of what all further resources share; no resource has that name.
const other resource.Name = "\x00other"

func (c *decisions) of(name resource.Name) *counters {
	if bound := c.bound.Load(); bound != nil {
		if found := (*bound)[name]; found != nil {
			return found
		}
		if len(*bound) >= maxResources {
			if found := (*bound)[other]; found != nil {
				return found
			}
		}
	}
	return c.bind(name)
}

func (c *decisions) bind(name resource.Name) *counters {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := map[resource.Name]*counters{}
	if bound := c.bound.Load(); bound != nil {
		if found := (*bound)[name]; found != nil {
			return found
		}
		next = maps.Clone(*bound)
	}
	label := string(name)
	switch {
	case name == "":
		label = "none"
	case len(next) >= maxResources:
		if found := next[other]; found != nil {
			return found
		}
		name, label = other, "other"
	}
	added := newCounters(label)
	next[name] = added
	c.bound.Store(&next)
	return added
}
