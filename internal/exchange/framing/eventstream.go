package framing

// EventStream follows server-sent events (HTML, section 9.2.6): events end with an empty line, and lines with CR, LF
// or both. Its zero value stands before the first event.
type EventStream struct {
	inLine bool // the line has begun
	open   bool // an event has begun
	cr     bool // the last byte was CR: an LF belongs to it
}

// Next takes the bytes of p up to the end of the event that is under way, at most all, and returns how many those are.
func (f *EventStream) Next(p []byte) (int, error) {
	for i, c := range p {
		switch {
		case c == '\n' && f.cr:
			f.cr = false
			if !f.open {
				return i + 1, nil // the CR before it has ended the event
			}
		case c == '\n' || c == '\r':
			f.cr = c == '\r'
			ended := !f.inLine
			if f.inLine = false; ended {
				f.open = false
				if c == '\n' || i+1 == len(p) || p[i+1] != '\n' {
					return i + 1, nil
				}
			}
		default:
			f.cr, f.inLine, f.open = false, true, true
		}
	}
	return len(p), nil
}

// Whole reports whether the stream stands between two events.
func (f *EventStream) Whole() bool { return !f.open }
