package snapshot

import "slices"

// TakesAudience reports whether some service takes ID tokens for an audience: its own OAuth client id, or one of its
// programmatic clients.
func (s *Snapshot) TakesAudience(id string) bool {
	for _, served := range s.served {
		if id == served.Service.OAuthClientID && id != "" {
			return true
		}
	}
	return s.IsProgrammaticClient(id)
}

// IsProgrammaticClient reports whether some service lists an OAuth client id among its programmatic clients.
func (s *Snapshot) IsProgrammaticClient(id string) bool {
	for _, served := range s.served {
		if id != "" && slices.Contains(served.Settings.ProgrammaticClients, id) {
			return true
		}
	}
	return false
}
