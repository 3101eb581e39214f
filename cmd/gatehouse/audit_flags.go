package main

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

// recordFlags select records.
type recordFlags struct {
	query        admin.RecordQuery
	record       string
	changes      bool // --admin
	reasons      []string
	outcome      string
	since, until string
}

// addRecordFlags adds them; record is which record is meant without a flag, and empty where it can only be decisions.
func addRecordFlags(cmd *cobra.Command, record admin.RecordKind) *recordFlags {
	f := &recordFlags{}
	flags := cmd.Flags()
	flags.StringVar(&f.query.Person, "person", "", "only of this person: an `address`, a subject, or a member such as user:bob@example.com; of changes, those that name it")
	flags.StringVar(&f.query.Resource, "resource", "", "only of this `service`, or of a resource and all below it")
	flags.StringSliceVar(&f.reasons, "reason", nil, "only decisions with this `reason`; several separated by commas")
	flags.StringVar(&f.outcome, "outcome", "", "only decisions that `passed` or were refused")
	flags.StringVar(&f.query.Host, "host", "", "only decisions about this `host`")
	flags.StringVar(&f.query.Path, "path", "", "only decisions about paths that begin with this `text`")
	flags.StringVar(&f.query.Peer, "peer", "", "only decisions about requests from this IP `address`")
	flags.StringVar(&f.query.Session, "session", "", "only decisions about this session `ID`")
	flags.StringVar(&f.query.RequestID, "request-id", "", "only decisions about this request: the `ID` in X-Request-Id, on the page or in the log")
	flags.StringVar(&f.since, "since", "", "from this `time` on: 2026-03-01, 2026-03-01T12:00:00Z, yesterday, or how long ago: 90m, 24h, 7d")
	flags.StringVar(&f.until, "until", "", "before this `time`, written like --since")
	for _, flag := range []string{"person", "resource", "host", "path", "peer", "session", "request-id"} {
		completeFlag(cmd, flag)
	}
	reasons := make([]string, 0, len(policy.Reasons()))
	for _, reason := range policy.Reasons() {
		reasons = append(reasons, string(reason)+"\t"+reason.Describe().Title)
	}
	completeFlag(cmd, "reason", reasons...)
	completeFlag(cmd, "outcome", string(audit.Passed), string(audit.Refused))
	completeFlag(cmd, "since", "today", "yesterday", "1h", "24h", "7d", "30d")
	completeFlag(cmd, "until", "today", "yesterday", "1h", "24h", "7d", "30d")
	if record == "" {
		return f
	}
	records := []string{string(admin.DecisionRecords), string(admin.ChangeRecords), string(admin.AllRecords)}
	flags.StringVar(&f.record, "record", string(record), "which `record`: decisions, changes (administrative ones) or all")
	flags.BoolVar(&f.changes, "admin", false, "administrative changes: the same as --record=changes")
	flags.StringVar(&f.query.Actor, "actor", "", "only changes by this `uid`, or by a part of the server such as system:manifests")
	flags.StringVar(&f.query.Action, "action", "", "only changes of this `kind`, such as iam.setIamPolicy, or iam for all of that group")
	completeFlag(cmd, "record", records...)
	completeFlag(cmd, "actor", "uid:", "system:manifests", "system:bootstrap", "system:retention")
	completeFlag(cmd, "action", "iam", "settings", "services", "users", "groups", "serviceAccounts", "identityProviders", "keys", "sessions", "manifests", "audit")
	cmd.MarkFlagsMutuallyExclusive("record", "admin")
	return f
}

// read returns the query that the flags make.
func (f *recordFlags) read(cmd *cobra.Command, now time.Time) (admin.RecordQuery, error) {
	q := f.query
	q.Kind = admin.RecordKind(f.record)
	if f.changes || !cmd.Flags().Changed("record") && (q.Actor != "" || q.Action != "") {
		q.Kind = admin.ChangeRecords
	}
	for _, reason := range f.reasons {
		q.Reasons = append(q.Reasons, policy.Reason(reason))
	}
	q.Outcome = audit.Outcome(f.outcome)
	var err error
	if q.Since, err = pastMoment("since", f.since, now); err != nil {
		return q, err
	}
	q.Until, err = pastMoment("until", f.until, now)
	return q, err
}

var ago = regexp.MustCompile(`^([0-9]{1,5})([dw])$`)

// pastMoment reads a time as people write it; the empty text is the zero time. All times are in UTC, as they are shown.
func pastMoment(flag, s string, now time.Time) (time.Time, error) {
	now = now.UTC()
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	switch s {
	case "":
		return time.Time{}, nil
	case "now":
		return now, nil
	case "today":
		return today, nil
	case "yesterday":
		return today.AddDate(0, 0, -1), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	if m := ago.FindStringSubmatch(s); m != nil {
		n, err := strconv.Atoi(m[1])
		if err == nil && m[2] == "w" {
			n *= 7
		}
		return now.AddDate(0, 0, -n), err
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("--%s=%q is not a time: write 2026-03-01, 2026-03-01T12:00:00Z, today, yesterday, or how long ago, such as 90m, 24h or 7d", flag, s)
}
