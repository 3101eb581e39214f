package audit

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/regularfile"
)

// Archive is the files of a decision log, which may be a copy that no server writes to.
type Archive struct {
	Dir string
	// live says that a server writes to the files: a last line without an end is on its way, and no damage.
	live bool
}

// Found is one decision that a search has found.
type Found struct {
	*Decision
	Line []byte // as the log has it, without the line break
}

// Search is one search. Its functions are called in turn, never at once; nil ones are not. The error of Found ends it.
type Search struct {
	Query
	// OldestFirst turns the order round; else the newest decision comes first.
	OldestFirst bool
	Found       func(Found) error
	Damaged     func(Damage)
	// Progress hears from time to time how many bytes of how many have been read.
	Progress func(done, total int64)
}

// Damage is a part of a file that cannot be read, or of which a file says itself that records are missing.
type Damage struct {
	File    string `json:"file"`
	Offset  int64  `json:"offset"`
	Bytes   int64  `json:"bytes,omitempty"`
	Problem string `json:"problem"`
}

// String says it for people.
func (d Damage) String() string {
	if d.Bytes == 0 {
		return fmt.Sprintf("%s, at byte %d: %s", d.File, d.Offset, d.Problem)
	}
	return fmt.Sprintf("%s, %d bytes at byte %d: %s", d.File, d.Bytes, d.Offset, d.Problem)
}

// Search reads the log of a running server, with all that was recorded before.
func (l *Log) Search(ctx context.Context, s Search) error {
	if err := l.flush(ctx); err != nil {
		return err
	}
	return Archive{Dir: l.segments[0].dir, live: true}.Search(ctx, s)
}

const (
	// disorder is by how much records may be out of order in the files: they are written buffer by buffer.
	disorder = 5 * time.Second
	// maxHeld bounds how many wait to be put in order; beyond it, order is given up and not memory.
	maxHeld = 8192
	// atOnce is how many bytes are read of one class before another has its turn.
	atOnce = 256 << 10
)

// Search reads every file that may hold what is searched, as far as it can be read.
func (a Archive) Search(ctx context.Context, s Search) error {
	run := &searching{Search: s, finder: newFinder(s.Query), live: a.live}
	for c := class(0); c < classCount; c++ {
		list, err := listSegments(a.Dir, c)
		if err != nil {
			return fmt.Errorf("reading the decision log: %w", err)
		}
		run.add(list)
	}
	err := run.run(ctx)
	for _, p := range run.parts {
		err = errors.Join(err, p.close())
	}
	return err
}

// searching is a search under way.
type searching struct {
	Search
	finder *finder
	live   bool
	parts  []*part // one for each class
	held   held
	done   int64
	total  int64
}

// part is the files of one class, in the order in which they are read.
type part struct {
	files    []segment
	newest   string // the file that is being written
	file     *os.File
	lines    *lineReader
	damage   Damage
	frontier DecisionID // of the line that was read last
}

// add plans to read files. Those are left out whose records are all too old: the name of the next file is greater than
// all of them. The clock may have been set back, so nothing is said by names about what is too new.
func (s *searching) add(list []segment) {
	p := &part{}
	if len(list) > 0 {
		p.newest = list[len(list)-1].path
	}
	for i, file := range list {
		if i+1 < len(list) && !s.Since.IsZero() && list[i+1].first.Time().Add(timeSlack).Before(s.Since) {
			continue
		}
		if info, err := os.Stat(file.path); err == nil {
			s.total += info.Size()
		}
		p.files = append(p.files, file)
	}
	if !s.OldestFirst {
		slices.Reverse(p.files)
		p.frontier = DecisionID(bytes.Repeat([]byte{0xff}, len(DecisionID{})))
	}
	s.held.oldestFirst = s.OldestFirst
	s.parts = append(s.parts, p)
}

func (s *searching) run(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		next := s.behind()
		if next == nil {
			return s.release(true, time.Time{})
		}
		if err := s.advance(next); err != nil {
			return err
		}
		if s.Progress != nil {
			s.Progress(s.done, s.total)
		}
		frontier := time.Time{}
		if next = s.behind(); next != nil {
			frontier = next.frontier.Time()
		}
		if err := s.release(next == nil, frontier); err != nil {
			return err
		}
	}
}

// behind is the part that has got least far, so that what comes next is in it; nil at the end.
func (s *searching) behind() *part {
	var least *part
	for _, p := range s.parts {
		if p.lines == nil && len(p.files) == 0 {
			continue
		}
		if least == nil || (bytes.Compare(p.frontier[:], least.frontier[:]) < 0) == s.OldestFirst {
			least = p
		}
	}
	return least
}

// advance reads on in a part.
func (s *searching) advance(p *part) error {
	if p.lines == nil {
		if err := s.open(p); err != nil || p.lines == nil {
			return err
		}
	}
	lines := p.lines
	began := lines.done()
	defer func() { s.done += lines.done() - began }()
	for lines.done()-began < atOnce {
		line, err := lines.next()
		if err == io.EOF {
			return s.finish(p)
		}
		if err != nil { // a disk that cannot be read, or a file that was cut while it was: the rest of this one is lost
			s.broken(p, textLine{offset: lines.done()}, "it cannot be read further: "+err.Error())
			return s.finish(p)
		}
		if err := s.take(p, line); err != nil {
			return err
		}
	}
	return nil
}

// open opens the next file, unless it has gone since.
func (s *searching) open(p *part) error {
	path := p.files[0].path
	p.files = p.files[1:]
	file, info, err := regularfile.Open(path) // it was one when it was listed
	if gone(err) {
		return nil
	}
	if err != nil {
		s.damaged(Damage{File: filepath.Base(path), Problem: "it cannot be read: " + err.Error()})
		return nil
	}
	p.file, p.lines = file, newLineReader(file, info.Size(), !s.OldestFirst)
	return nil
}

func (s *searching) finish(p *part) error {
	s.tell(p)
	p.lines = nil
	return p.close()
}

func (p *part) close() error {
	if p.file == nil {
		return nil
	}
	err := p.file.Close()
	p.file = nil
	return err
}

// take looks at one line.
func (s *searching) take(p *part, line textLine) error {
	switch {
	case len(line.text) == 0 && line.ended:
		return nil
	case !line.ended && s.live && p.file.Name() == p.newest:
		return nil
	case isGap(line.text):
		s.gap(p, line)
		return nil
	case !line.ended || !whole(line.text):
		s.broken(p, line, "it holds no whole record; a crash may have torn it")
		return nil
	}
	d, err := s.finder.match(line.text)
	if err != nil {
		s.broken(p, line, "it holds no record that can be read")
		return nil
	}
	if id, err := ParseDecisionID(string(line.text[len(lineStart):idEnd])); err == nil {
		p.frontier = id
	}
	if d != nil {
		heap.Push(&s.held, Found{d, bytes.Clone(line.text)})
	}
	return nil
}

// release hands over what nothing can come before any more.
func (s *searching) release(all bool, frontier time.Time) error {
	for len(s.held.list) > 0 {
		first := s.held.list[0]
		ahead := frontier.Sub(first.ID.Time())
		if !s.OldestFirst {
			ahead = -ahead
		}
		if !all && ahead < disorder && len(s.held.list) <= maxHeld {
			return nil
		}
		heap.Pop(&s.held)
		if s.Found == nil {
			continue
		}
		if err := s.Found(first); err != nil {
			return err
		}
	}
	return nil
}

// held is a heap of what was found, what comes first on top.
type held struct {
	oldestFirst bool
	list        []Found
}

func (h *held) Len() int      { return len(h.list) }
func (h *held) Swap(i, j int) { h.list[i], h.list[j] = h.list[j], h.list[i] }
func (h *held) Push(x any)    { h.list = append(h.list, x.(Found)) }

func (h *held) Less(i, j int) bool {
	return (bytes.Compare(h.list[i].ID[:], h.list[j].ID[:]) < 0) == h.oldestFirst
}

func (h *held) Pop() any {
	last := h.list[len(h.list)-1]
	h.list[len(h.list)-1] = Found{}
	h.list = h.list[:len(h.list)-1]
	return last
}
