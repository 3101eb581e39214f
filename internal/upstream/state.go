package upstream

// AddressState is what is known of one address of an application.
type AddressState struct {
	URL string // SCHEME://HOST:PORT
	// Health is what its checks have found; empty where there are none.
	Health Health
	// Problem is why the address is not healthy, or the whole upstream cannot be used; empty when all is well.
	Problem string
	Circuit Circuit
	// InFlight counts the requests under way, WebSockets among them.
	InFlight int64
}

// Well reports whether there is nothing to complain about.
func (s AddressState) Well() bool {
	return s.Health != Unhealthy && s.Circuit == CircuitClosed && s.Problem == ""
}

// Health is the state of an address in the words of Google's health checks.
type Health string

// The states of health.
const (
	HealthUnknown Health = "UNKNOWN" // no check is back yet
	Healthy       Health = "HEALTHY"
	Unhealthy     Health = "UNHEALTHY"
)

// Circuit says whether requests are let through to an address.
type Circuit string

// The states of a circuit.
const (
	CircuitClosed   Circuit = "closed"   // requests pass
	CircuitOpen     Circuit = "open"     // it could not be connected to, and nothing is sent for a while
	CircuitHalfOpen Circuit = "halfOpen" // an attempt is due or being made
)

// Addresses tells the state of each address, in their order. It may be called from anywhere.
func (u *Upstream) Addresses() []AddressState {
	if len(u.addresses) == 0 {
		state := AddressState{URL: u.Scheme + "://" + u.Address, Circuit: CircuitClosed}
		if u.Problem != nil {
			state.Problem = u.Problem.Error()
		}
		return []AddressState{state}
	}
	states := make([]AddressState, len(u.addresses))
	for i, a := range u.addresses {
		states[i] = a.state()
	}
	return states
}

func (a *address) state() AddressState {
	state := AddressState{URL: a.url, InFlight: a.inFlight.Load(), Circuit: CircuitClosed}
	switch until := a.circuit.until.Load(); {
	case until == 0:
	case a.circuit.probing.Load() || a.now().UnixNano() >= until:
		state.Circuit = CircuitHalfOpen
	default:
		state.Circuit = CircuitOpen
	}
	if a.health.check.Path == "" {
		return state
	}
	switch a.health.state.Load() {
	case healthy:
		state.Health = Healthy
	case unhealthy:
		state.Health = Unhealthy
	default:
		state.Health = HealthUnknown
	}
	if problem := a.health.problem.Load(); problem != nil {
		state.Problem = *problem
	}
	return state
}
