package server

import "github.com/gatehouse-iap/gatehouse/internal/admin"

// upstreamStates says in administration's words what is known of the addresses of all applications.
func (s *Server) upstreamStates() (states []admin.UpstreamAddress) {
	for _, of := range s.holder.Current().Upstreams() {
		for _, a := range of.Addresses {
			states = append(states, admin.UpstreamAddress{
				Service: of.Service.Name, Resource: of.Service.Service.Name(), Address: a.URL,
				HealthState: string(a.Health), Circuit: string(a.Circuit), InFlight: a.InFlight, Problem: a.Problem,
			})
		}
	}
	return states
}

// upstreamProblem is an address at which something is wrong, as /readyz shows it.
type upstreamProblem struct {
	Service     string `json:"service"`
	Address     string `json:"address"`
	HealthState string `json:"healthState,omitempty"`
	Circuit     string `json:"circuit"`
	Problem     string `json:"problem,omitempty"`
}

// upstreamProblems lists the addresses at which something is wrong. They do not make the server unready: it would not
// answer for its other applications any more, and another replica reaches this one no better.
func (s *Server) upstreamProblems() []upstreamProblem {
	problems := []upstreamProblem{}
	for _, of := range s.holder.Current().Upstreams() {
		for _, a := range of.Addresses {
			if !a.Well() {
				problems = append(problems, upstreamProblem{of.Service.Name, a.URL, string(a.Health), string(a.Circuit), a.Problem})
			}
		}
	}
	return problems
}
