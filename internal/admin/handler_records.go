package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// endingKey is where the socket leaves a channel that is closed when the server ends: who follows a record would keep
// it waiting otherwise.
type endingKey struct{}

// flushEvery is how long lines may wait to be sent together.
const flushEvery = 100 * time.Millisecond

// postRecords is records/-:search, -:tail and -:count, whose body is a RecordQuery. The answer is lines of JSON, each a
// RecordLine. An error before the first is answered as everywhere.
func (a *Admin) postRecords(c call) (any, error) {
	name, verb, err := c.verb(c.PathValue("name"))
	if err != nil {
		return nil, err
	}
	read := map[string]func(context.Context, RecordQuery, func(RecordLine) error) error{
		"search": a.SearchRecords, "tail": a.TailRecords, "count": a.CountRecords,
	}[verb]
	if name != "-" || read == nil {
		return nil, c.noRoute()
	}
	var query RecordQuery
	if err := c.decode(&query); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	if ending, ok := c.Context().Value(endingKey{}).(<-chan struct{}); ok {
		go func() {
			select {
			case <-ending:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	lines := &recordLines{w: c.w}
	if verb == "tail" {
		if _, err := a.prepare(ctx, query, nil); err != nil {
			return nil, err
		}
		lines.begin() // there may be nothing to show for a long time, and the client wants to know that it is heard
	}
	err = read(ctx, query, lines.say)
	lines.stop()
	if err == nil {
		return nil, errAnswered
	}
	if !lines.began {
		return nil, err
	}
	p := problemOrID(c.Request, a.Log, err)
	_ = json.NewEncoder(c.w).Encode(RecordLine{Error: &p}) // a peer that is gone needs no answer
	return nil, errAnswered
}

// recordLines writes lines as they come, and sends them a few at a time.
type recordLines struct {
	w     http.ResponseWriter
	mu    sync.Mutex
	began bool
	ended bool
	timer *time.Timer // runs while lines wait
	told  time.Time   // when progress was told
}

func (l *recordLines) begin() {
	l.began = true
	l.w.Header().Set("Content-Type", "application/x-ndjson; charset=UTF-8")
	l.w.Header().Set("Cache-Control", "no-store")
	_ = http.NewResponseController(l.w).Flush()
}

func (l *recordLines) say(line RecordLine) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if line.Progress != nil {
		now := time.Now()
		if l.told.IsZero() {
			l.told = now // short searches tell none
		}
		if now.Sub(l.told) < progressEvery {
			return nil
		}
		l.told = now
	}
	if !l.began {
		l.begin()
	}
	encoder := json.NewEncoder(l.w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(line); err != nil {
		return err
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(flushEvery, l.flush)
	}
	return nil
}

func (l *recordLines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = nil
	if !l.ended {
		_ = http.NewResponseController(l.w).Flush() // a peer that is gone ends the call's context
	}
}

// stop keeps the timer off an answer that has ended.
func (l *recordLines) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if l.timer != nil {
		l.timer.Stop()
	}
}
