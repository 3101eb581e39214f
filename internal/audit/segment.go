package audit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// segments is the files of one class. Each is named after an id at its beginning, so that a name tells from when
// on its records are; only the newest is written to.
type segments struct {
	dir   string
	class class
	limit int64         // of one file
	total int64         // of all files
	age   time.Duration // of a record
	now   func() time.Time

	file     *os.File // nil until something is written
	size     int64
	started  DecisionID // in the name of file; after a failure, of the last one
	highest  DecisionID // of all records so far, as far as known: the next name is greater
	unsynced bool
	torn     bool // the file ends in the middle of a line
}

// segment is one file.
type segment struct {
	path  string
	first DecisionID
}

const segmentSuffix = ".jsonl"

// spanPart: a file takes records of at most this part of the age bound, so that not too much goes at once.
const spanPart = 8

func openSegments(dir string, c class, o LogOptions) (*segments, error) {
	s := &segments{dir: dir, class: c, now: o.Now}
	s.bound(o)
	list, err := listSegments(dir, c)
	if err != nil || len(list) == 0 {
		return s, err
	}
	newest := list[len(list)-1]
	s.started = newest.first
	return s, s.resume(newest.path)
}

// bound sets how much is kept.
func (s *segments) bound(o LogOptions) {
	s.limit, s.total, s.age = o.SegmentBytes, o.TotalBytes/classCount, o.MaxAge
}

// resume goes on with the newest file. A line that a crash has torn stays, closed by a line break: whoever reads the
// file sees that it is damage and not a line on its way.
func (s *segments) resume(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	s.file, s.size = file, info.Size()
	if written := idAt(info.ModTime()); bytes.Compare(written[:], s.highest[:]) > 0 {
		s.highest = written
	}
	if s.size > 0 {
		var last [1]byte
		if _, err := file.ReadAt(last[:], s.size-1); err != nil {
			return errors.Join(err, file.Close())
		}
		s.torn = last[0] != '\n'
	}
	if s.torn {
		_ = s.append(nil) // a disk that takes nothing now is found out about by the first record
	}
	return nil
}

// idAt is the smallest id of a moment.
func idAt(t time.Time) (id DecisionID) {
	binary.BigEndian.PutUint64(id[:8], uint64(max(t.UnixMilli(), 0))<<16)
	return id
}

// write appends whole lines, in a new file where the newest is full or old. first and last are the ids of the first
// and the last line: roughly the least and the greatest.
func (s *segments) write(lines []byte, first, last DecisionID) error {
	if s.file != nil && s.size > 0 && (s.size+int64(len(lines)) > s.limit || s.now().Sub(s.started.Time()) >= s.age/spanPart) {
		if err := errors.Join(s.sync(), s.close()); err != nil {
			return err
		}
	}
	if s.file == nil {
		if err := s.create(first); err != nil {
			return err
		}
	}
	if bytes.Compare(last[:], s.highest[:]) > 0 {
		s.highest = last
	}
	return s.append(lines)
}

// append appends whole lines to the file, after a line break where its end is torn.
func (s *segments) append(lines []byte) error {
	if s.torn {
		lines = append([]byte{'\n'}, lines...)
	}
	n, err := s.file.Write(lines)
	s.size += int64(n)
	if n > 0 {
		s.unsynced = true
		s.torn = err != nil
	}
	return err
}

// create makes room for a file and starts it. Names ascend, whatever order ids arrive in, and all records of the files
// before have smaller ids than a name: also when the clock was set back.
func (s *segments) create(first DecisionID) error {
	for _, before := range []DecisionID{s.started, s.highest} {
		if before != (DecisionID{}) && bytes.Compare(first[:], before[:]) <= 0 {
			first = before.next()
		}
	}
	_ = s.expire() // a file that cannot be removed is reported by the hourly expiry, and no reason to lose records
	path := filepath.Join(s.dir, s.class.String()+"-"+first.String()+segmentSuffix)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	s.file, s.size, s.started, s.torn = file, 0, first, false
	return syncDir(s.dir)
}

// next is the smallest id that is greater.
func (id DecisionID) next() DecisionID {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]++
		if id[i] != 0 {
			break
		}
	}
	return id
}

func (s *segments) sync() error {
	if s.file == nil || !s.unsynced {
		return nil
	}
	err := s.file.Sync()
	s.unsynced = err != nil
	return err
}

func (s *segments) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// expire removes files that hold a record beyond the age bound, and the oldest ones beyond the size bound, which
// counts the newest as if it were full.
func (s *segments) expire() error {
	list, err := listSegments(s.dir, s.class)
	if err != nil {
		return err
	}
	used := s.limit
	var errs error
	for i, segment := range slices.Backward(list) {
		current := i == len(list)-1 && s.file != nil
		if !current {
			info, err := os.Stat(segment.path)
			if err != nil {
				errs = errors.Join(errs, err)
				continue
			}
			used += info.Size()
		}
		tooOld := s.now().Sub(segment.first.Time()) > s.age
		if !tooOld && (current || used <= s.total) {
			continue
		}
		if current {
			errs = errors.Join(errs, s.close())
		}
		errs = errors.Join(errs, os.Remove(segment.path))
	}
	return errs
}

// listSegments returns the files of a class, oldest first.
func listSegments(dir string, c class) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []segment
	for _, entry := range entries {
		name, found := strings.CutPrefix(entry.Name(), c.String()+"-")
		if !found || !entry.Type().IsRegular() {
			continue
		}
		if name, found = strings.CutSuffix(name, segmentSuffix); !found {
			continue
		}
		if first, err := ParseDecisionID(name); err == nil {
			list = append(list, segment{path: filepath.Join(dir, entry.Name()), first: first})
		}
	}
	slices.SortFunc(list, func(a, b segment) int { return bytes.Compare(a.first[:], b.first[:]) })
	return list, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// gone reports a file that was removed since it was listed.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
