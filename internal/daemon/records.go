package daemon

import (
	"io"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/audit/sink"
	"github.com/gatehouse-iap/gatehouse/internal/config"
	"github.com/gatehouse-iap/gatehouse/internal/server"
)

// recordsOf is what a configuration says about the records, with sinks that write to where it says.
func recordsOf(c config.Audit, sinks []*sink.Sink) server.Records {
	return server.Records{
		Retention: audit.Retention{TotalBytes: c.MaxSize, MaxAge: c.MaxAge},
		Refuse:    c.Refuse, EntriesMaxAge: c.ChangesMaxAge, Sinks: sinks,
	}
}

// openSinks starts the sinks of a configuration.
func (d *daemon) openSinks(c config.Audit) []*sink.Sink {
	stdout := d.Stdout
	if stdout == nil {
		stdout = io.Discard
	}
	return sink.Open(c.Lines, stdout, d.log, time.Now)
}

// takeRecords takes up what the next configuration says. Sinks go on where nothing changes for them.
func (d *daemon) takeRecords(next config.Audit) {
	if next == d.config.Audit {
		return
	}
	if next.Lines != d.config.Audit.Lines {
		d.sinks = d.openSinks(next) // the server closes those that it has
	}
	d.server.SetRecords(recordsOf(next, d.sinks))
}

// reopenSinks lets go of files that were moved away.
func (d *daemon) reopenSinks() {
	for _, s := range d.sinks {
		s.Reopen()
	}
}
