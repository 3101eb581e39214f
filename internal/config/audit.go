package config

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/audit/sink"
)

// Audit says what becomes of the records.
type Audit struct {
	Refuse        bool // nothing passes that cannot be recorded
	MaxSize       int64
	MaxAge        time.Duration
	ChangesMaxAge time.Duration // 0 is for ever
	Lines         sink.Options
}

func auditKeys(a *Audit) []key {
	return []key{
		{name: "onFailure", standard: "continue", example: "refuse", value: choice(&a.Refuse, "a way to go on", map[string]bool{"continue": false, "refuse": true}),
			meaning: "What happens while decisions cannot be recorded, because the disk is full or too slow. With continue requests pass, and what is not recorded is counted, logged and shown in /readyz. With refuse nothing passes unrecorded: 503, reason record_failed."},
		{name: "maxSize", standard: "512MiB", example: "4GiB", value: size(&a.MaxSize),
			meaning: "How much of the decision log is kept: the oldest goes first. A quarter each is for people's requests, requests of nobody in particular, people's refusals, and refusals of strangers."},
		{name: "maxAge", standard: "90d", example: "400d", value: age(&a.MaxAge),
			meaning: "For how long decisions are kept at most."},
		{name: "changesMaxAge", standard: "for ever", example: "3650d", value: age(&a.ChangesMaxAge),
			meaning: "For how long the record of administrative changes is kept. That it was shortened is recorded too."},
		{name: "lines", standard: "none", value: section[sink.Options]{&a.Lines, linesKeys},
			meaning: "Where each record goes as a line of JSON besides, decisions and administrative changes alike. No request waits for it: what a place does not take is counted and dropped there, and stays in the record itself."},
	}
}

func linesKeys(o *sink.Options) []key {
	return []key{
		{name: "stdout", standard: "false", example: "true", value: boolean(&o.Stdout),
			meaning: "Standard output, where containers' logs are collected. The server's own log is on standard error."},
		{name: "file", standard: "none", example: "/var/log/gatehouse/audit.jsonl", value: text(&o.File, "a file"),
			meaning: "A file, made 0600 and appended to. It is begun anew within a second when it is renamed, and on SIGHUP."},
		{name: "syslog", standard: "none", example: "unix:///dev/log", value: syslogAddress(&o.Syslog),
			meaning: "A syslog collector: unix:///PATH, udp://HOST[:514], tcp://HOST[:601] or tls://HOST[:6514], in the format of RFC 5424. Toward another machine use tls, or let a collector on this one pass it on."},
		{name: "syslogCaFile", standard: "the system's authorities", example: "/etc/gatehouse/syslog-ca.pem", value: text(&o.SyslogCAFile, "a file"),
			meaning: "The authorities that count for a collector at tls://, PEM. It is read at each connection; SIGHUP makes a new one."},
	}
}

func boolean(target *bool) value {
	return scalar[bool]{target: target, what: "true or false", tags: []string{"!!bool"}, parse: func(s string) (bool, error) {
		return s == "true" || s == "True" || s == "TRUE", nil
	}}
}

var sizeForm = regexp.MustCompile(`^([1-9][0-9]{0,8})(MiB|GiB)$`)

// minSize lets each of the classes have files of a useful size.
const minSize = 16 << 20

func size(target *int64) value {
	return scalar[int64]{target: target, what: "a size", parse: func(s string) (int64, error) {
		m := sizeForm.FindStringSubmatch(s)
		if m == nil {
			return 0, wrong("is not a size", "write a whole number of MiB or GiB, such as 512MiB")
		}
		n, err := strconv.ParseInt(m[1], 10, 64) // of at most nine digits: of GiB, too, they fit
		if err != nil {
			return 0, wrong("is not a size", "write a whole number of MiB or GiB, such as 512MiB")
		}
		if n <<= 20; m[2] == "GiB" {
			n <<= 10
		}
		if n < minSize {
			return 0, wrong("is too little for any record to last", fmt.Sprintf("write %dMiB or more", minSize>>20))
		}
		return n, nil
	}}
}

var daysForm = regexp.MustCompile(`^([0-9]{1,6})d$`)

// age is a length of time in days or hours.
func age(target *time.Duration) value {
	return scalar[time.Duration]{target: target, what: "a length of time", parse: func(s string) (time.Duration, error) {
		var d time.Duration
		if m := daysForm.FindStringSubmatch(s); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil || n > math.MaxInt64/int(24*time.Hour) {
				return 0, wrong("is longer than can be counted", "write fewer days")
			}
			d = time.Duration(n) * 24 * time.Hour
		} else if parsed, err := time.ParseDuration(s); err == nil {
			d = parsed
		} else {
			return 0, wrong("is not a length of time", "write days or hours, such as 90d or 36h")
		}
		if d < time.Hour {
			return 0, wrong("is too short for a record to be of use", "write 1h or more")
		}
		return d, nil
	}}
}

func syslogAddress(target *sink.Address) value {
	return scalar[sink.Address]{target: target, what: "an address of syslog", parse: func(s string) (sink.Address, error) {
		a, err := sink.ParseAddress(s)
		if err != nil {
			return a, wrong(err.Error(), "write one of these, such as unix:///dev/log")
		}
		return a, nil
	}}
}

// deriveAudit fills in what is not written.
func (c *Config) deriveAudit(r *reader) {
	c.Audit.MaxSize = cmp.Or(c.Audit.MaxSize, audit.DefaultTotalBytes)
	c.Audit.MaxAge = cmp.Or(c.Audit.MaxAge, audit.DefaultMaxAge)
	c.Audit.Lines.File = c.resolve(c.Audit.Lines.File)
	if lines := c.Audit.Lines; lines.SyslogCAFile != "" && lines.Syslog.Network != "tls" {
		r.fault("audit.lines.syslogCaFile", "no collector at tls:// is named, so it would verify nothing", "write syslog: tls://HOST, or take it out")
	}
	c.Audit.Lines.SyslogCAFile = c.resolve(c.Audit.Lines.SyslogCAFile)
}

// checkAudit finds out whether the lines' file can be where it is named, and whether a collector can be verified.
func (c *Config) checkAudit(r *reader) {
	if file := c.Audit.Lines.File; file != "" {
		if err := sink.CheckFile(file); err != nil {
			r.fault("audit.lines.file", fmt.Sprintf("the directory of %s cannot be used: %v", file, err), "make it, so that the server's user may write there")
		}
	}
	if file := c.Audit.Lines.SyslogCAFile; file != "" {
		if err := sink.CheckAuthorities(file); err != nil {
			r.fault("audit.lines.syslogCaFile", err.Error(), "write certificates in PEM there, which the server's user may read")
		}
	}
}
