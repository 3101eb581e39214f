package listener

// Replace takes over the certificates of another store, which is not used any more afterwards. Connections keep
// what they have; handshakes choose from the new set.
func (s *CertificateStore) Replace(next *CertificateStore) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = next.problems
	s.set.Store(next.set.Load())
}

// Refresh reads files again that have changed. What cannot be used stays as it was, and the error names it.
func (s *CertificateStore) Refresh() error { return s.reload((*certificate).changed) }
