package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ApplyRequest is the body of documents/-:apply.
type ApplyRequest struct {
	Documents []Document   `json:"documents"`
	Options   ApplyOptions `json:"options"`
}

// ApplyAnswer is one line of the answer to documents/-:apply. While changes are written there may be lines of
// progress; the last line has the plan or the error. An error before any progress is answered as everywhere.
type ApplyAnswer struct {
	Progress *Progress `json:"progress,omitempty"`
	Plan     *Plan     `json:"plan,omitempty"`
	Error    *Problem  `json:"error,omitempty"`
}

// Progress says how many of the changes are written.
type Progress struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// errAnswered says that a call has written its answer.
var errAnswered = errors.New("answered")

// progressEvery is the time between two lines of progress.
const progressEvery = 500 * time.Millisecond

func (a *Admin) getDocuments(c call) (any, error) {
	documents, err := a.Export(c.Context())
	return list("documents", documents), err
}

func (a *Admin) postDocuments(c call) (any, error) {
	name, verb, err := c.verb(c.PathValue("name"))
	if err != nil {
		return nil, err
	}
	if name != "-" || verb != "apply" {
		return nil, c.noRoute()
	}
	var request ApplyRequest
	if err := c.decode(&request); err != nil {
		return nil, err
	}
	lines := newProgressLines(c.w)
	request.Options.Progress = lines.note
	plan, err := a.Apply(c.Context(), c.actor, request.Documents, request.Options)
	if !lines.stop() {
		return ApplyAnswer{Plan: &plan}, err
	}
	answer := ApplyAnswer{Plan: &plan}
	if err != nil { // the status has been sent: the problem is a line
		p := problemOrID(c.Request, a.Log, err)
		answer = ApplyAnswer{Error: &p}
	}
	_ = json.NewEncoder(c.w).Encode(answer) // a peer that is gone needs no answer
	return nil, errAnswered
}

// progressLines writes lines of progress beside the transaction, which must not wait for a slow reader.
type progressLines struct {
	w           http.ResponseWriter
	done, total atomic.Int64
	end         chan struct{}
	ended       sync.WaitGroup
	began       bool
}

func newProgressLines(w http.ResponseWriter) *progressLines {
	p := &progressLines{w: w, end: make(chan struct{})}
	p.ended.Go(p.run)
	return p
}

func (p *progressLines) note(done, total int) {
	p.total.Store(int64(total))
	p.done.Store(int64(done))
}

func (p *progressLines) run() {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		select {
		case <-p.end:
			return
		case <-ticker.C:
		}
		total := p.total.Load()
		if total == 0 {
			continue // still planning: an error can have its own status
		}
		if !p.began {
			p.w.Header().Set("Content-Type", "application/x-ndjson; charset=UTF-8")
			p.w.Header().Set("Cache-Control", "no-store")
			p.began = true
		}
		if json.NewEncoder(p.w).Encode(ApplyAnswer{Progress: &Progress{int(p.done.Load()), int(total)}}) != nil {
			return
		}
		_ = http.NewResponseController(p.w).Flush()
	}
}

// stop ends the lines, and reports whether there were any.
func (p *progressLines) stop() bool {
	close(p.end)
	p.ended.Wait()
	return p.began
}
