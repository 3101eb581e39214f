package audit

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"
)

// broken notes a line that cannot be read. Neighbours become one piece of damage.
func (s *searching) broken(p *part, line textLine, problem string) {
	d := Damage{File: filepath.Base(p.file.Name()), Offset: line.offset, Bytes: int64(len(line.text)), Problem: problem}
	if line.ended {
		d.Bytes++
	}
	last := &p.damage
	switch {
	case last.Problem != problem || last.File != d.File:
	case last.Offset+last.Bytes == d.Offset:
		last.Bytes += d.Bytes
		return
	case d.Offset+d.Bytes == last.Offset:
		last.Offset, last.Bytes = d.Offset, last.Bytes+d.Bytes
		return
	}
	s.tell(p)
	*last = d
}

// tell reports what was noted.
func (s *searching) tell(p *part) {
	if p.damage.Problem != "" {
		s.damaged(p.damage)
		p.damage = Damage{}
	}
}

func (s *searching) damaged(d Damage) {
	if s.Damaged != nil {
		s.Damaged(d)
	}
}

// gap reports what a file says itself about records that it lacks, where that lies in the time that is searched.
func (s *searching) gap(p *part, line textLine) {
	var g gap
	if err := json.Unmarshal(line.text, &g); err != nil {
		s.broken(p, line, "it holds no record that can be read")
		return
	}
	if g.Lost == 0 || !s.Since.IsZero() && g.Until.Before(s.Since) || !s.Until.IsZero() && !g.Since.Before(s.Until) {
		return
	}
	s.damaged(Damage{
		File: filepath.Base(p.file.Name()), Offset: line.offset,
		Problem: fmt.Sprintf("%d records are missing from %s to %s: %s", g.Lost, g.Since.Format(time.RFC3339), g.Until.Format(time.RFC3339), g.Cause),
	})
}
