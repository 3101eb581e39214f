package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/regularfile"
)

// timeSlack is how far from its id's time a record may lie in the succession of files: records wait to be
// written, and come out of order.
const timeSlack = time.Minute

// Find returns the record of a decision, or ErrNoDecision. It reads the files that can hold it by the time in its
// id, then the others: the clock may have been set in between.
func (l *Log) Find(ctx context.Context, id DecisionID) (Decision, error) {
	if err := l.flush(ctx); err != nil {
		return Decision{}, err
	}
	var likely, others []string
	for _, c := range []class{refusals, strangers, passes, public} {
		list, err := listSegments(l.segments[c].dir, c)
		if err != nil {
			return Decision{}, fmt.Errorf("reading the decision log: %w", err)
		}
		near, far := byTime(list, id.Time())
		likely, others = append(likely, near...), append(others, far...)
	}
	for _, path := range append(likely, others...) {
		d, err := search(ctx, path, id)
		switch {
		case err == nil:
			return d, nil
		case errors.Is(err, ErrNoDecision), gone(err):
		default:
			return Decision{}, fmt.Errorf("reading %s: %w", filepath.Base(path), err)
		}
	}
	return Decision{}, fmt.Errorf("%s: %w", id, ErrNoDecision)
}

// byTime separates the files whose stretch of time has t in it from the others.
func byTime(list []segment, t time.Time) (near, far []string) {
	for i, segment := range list {
		begun := !t.Before(segment.first.Time().Add(-timeSlack))
		ended := i+1 < len(list) && t.After(list[i+1].first.Time().Add(timeSlack))
		if begun && !ended {
			near = append(near, segment.path)
		} else {
			far = append(far, segment.path)
		}
	}
	return near, far
}

// search reads one file. Lines that do not parse are passed over: a crash may have torn them.
func search(ctx context.Context, path string, id DecisionID) (Decision, error) {
	file, info, err := regularfile.Open(path)
	if err != nil {
		return Decision{}, err
	}
	defer file.Close() // read only
	start := append(bytes.Clone(lineStart), id.String()+`"`...)
	for lines := newLineReader(file, info.Size(), false); ; {
		if err := ctx.Err(); err != nil {
			return Decision{}, err
		}
		line, err := lines.next()
		if err == io.EOF {
			return Decision{}, ErrNoDecision
		}
		if err != nil {
			return Decision{}, err
		}
		if bytes.HasPrefix(line.text, start) {
			if d, err := ParseLine(line.text); err == nil {
				return d, nil
			}
		}
	}
}
