package storagetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

func auditSentences() []sentence {
	return []sentence{
		{"an entry comes back as it was written, newest first and at most so many", entriesComeBack},
		{"what the transaction adds to its entry is written", entryFilledIn},
		{"a change without an entry is refused", entryNeeded},
		{"an entry that says too little, or what is not JSON, is refused", entryIncomplete},
		{"an entry of its own takes a place in the feed", entryAlone},
		{"a query finds exactly the entries that it selects, in its order", entriesFound},
		{"entries that are too old are deleted, and no others", entriesExpire},
	}
}

func entriesComeBack(t *testing.T, s store) {
	ctx := t.Context()
	var written []audit.Entry
	for i := range 3 {
		e := entry(fmt.Sprint("action ", i))
		e.Time = e.Time.Add(time.Duration(i) * time.Microsecond).In(time.FixedZone("there", 3600))
		if i == 1 {
			e.Before, e.After = json.RawMessage(`{"a": "é"}`), json.RawMessage(`null`)
		}
		_, err := s.Do(ctx, e, func(tx admin.Tx) error { return tx.Keys().PutKey(ctx, key(e.Action)) })
		must(t, err)
		e.Time = e.Time.UTC()
		written = append([]audit.Entry{*e}, written...)
	}
	for limit, want := range [][]audit.Entry{nil, written[:1], written[:2], written, written} {
		if got, err := s.Entries(ctx, limit); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("limit %d: %v, %v; want %v", limit, got, err, want)
		}
	}
	if none, err := s.Entries(ctx, -1); err != nil || len(none) != 0 {
		t.Errorf("a negative limit gives %d entries, %v", len(none), err)
	}
}

func entryFilledIn(t *testing.T, s store) {
	e := entry("test")
	_, err := s.Do(t.Context(), e, func(admin.Tx) error {
		e.After = json.RawMessage(`{"enabled":true}`)
		return nil
	})
	must(t, err)
	if entries, err := s.Entries(t.Context(), 1); err != nil || string(entries[0].After) != `{"enabled":true}` {
		t.Errorf("%v, %v", entries, err)
	}
}

func entryNeeded(t *testing.T, s store) {
	_, err := s.Do(t.Context(), nil, func(tx admin.Tx) error { return writeEverywhere(t.Context(), tx) })
	if err == nil || s.position() != 0 {
		t.Errorf("Do: %v, position %d", err, s.position())
	}
}

func entryIncomplete(t *testing.T, s store) {
	for name, spoil := range map[string]func(*audit.Entry){
		"no time":          func(e *audit.Entry) { e.Time = time.Time{} },
		"no actor":         func(e *audit.Entry) { e.Actor = audit.Actor{} },
		"no action":        func(e *audit.Entry) { e.Action = "" },
		"before not JSON":  func(e *audit.Entry) { e.Before = json.RawMessage(`{`) },
		"after not JSON":   func(e *audit.Entry) { e.After = json.RawMessage(`x`) },
		"after empty text": func(e *audit.Entry) { e.After = json.RawMessage(` `) },
	} {
		e := entry("test")
		spoil(e)
		_, err := s.Do(t.Context(), e, func(tx admin.Tx) error { return writeEverywhere(t.Context(), tx) })
		if err == nil || s.position() != 0 {
			t.Errorf("%s: %v, position %d", name, err, s.position())
		}
	}
}

func entryAlone(t *testing.T, s store) {
	must(t, s.AppendEntry(t.Context(), *entry("start")))
	entries, err := s.Entries(t.Context(), 5)
	must(t, err)
	if len(entries) != 1 || entries[0].Seq != 1 || entries[0].Action != "start" || s.position() != 1 {
		t.Errorf("entries %v, position %d", entries, s.position())
	}
}

func entriesFound(t *testing.T, s store) {
	ctx := t.Context()
	at := entry("").Time
	for i, e := range []audit.Entry{
		{Actor: audit.Actor{Kind: "uid", Name: "1000"}, Action: "iam.setIamPolicy", Target: "projects/1/iap_web", After: json.RawMessage(`{"members": ["user:Bob@example.com"]}`)},
		{Actor: audit.Actor{Kind: "system", Name: "manifests"}, Action: "iamx", Target: "bob%@example.com"},
		{Actor: audit.Actor{Kind: "uid", Name: "10"}, Action: "users.create", Target: "bobby@example.com", Before: json.RawMessage(`{"note": "50%_"}`)},
		{Actor: audit.Actor{Kind: "system", Name: "1000"}, Action: "users.delete", Target: "carol@example.com"},
	} {
		e.Time = at.Add(time.Duration(i) * time.Hour)
		must(t, s.AppendEntry(ctx, e))
	}
	for name, test := range map[string]struct {
		query audit.EntryQuery
		want  []int64
	}{
		"all":                      {audit.EntryQuery{}, []int64{4, 3, 2, 1}},
		"oldest first":             {audit.EntryQuery{OldestFirst: true}, []int64{1, 2, 3, 4}},
		"one":                      {audit.EntryQuery{Seq: 3}, []int64{3}},
		"between":                  {audit.EntryQuery{After: 1, Before: 4}, []int64{3, 2}},
		"since":                    {audit.EntryQuery{Since: at.Add(2 * time.Hour)}, []int64{4, 3}},
		"until":                    {audit.EntryQuery{Until: at.Add(2 * time.Hour)}, []int64{2, 1}},
		"an actor's name":          {audit.EntryQuery{Actor: "1000"}, []int64{4, 1}},
		"an actor":                 {audit.EntryQuery{Actor: "uid:1000"}, []int64{1}},
		"an action":                {audit.EntryQuery{Action: "users.create"}, []int64{3}},
		"the actions of a group":   {audit.EntryQuery{Action: "iam"}, []int64{1}},
		"a mention in any case":    {audit.EntryQuery{Mentions: "bob@Example.com"}, []int64{1}},
		"a mention in the target":  {audit.EntryQuery{Mentions: "bobby@"}, []int64{3}},
		"wildcards are themselves": {audit.EntryQuery{Mentions: "%"}, []int64{3, 2}},
		"and so is an underscore":  {audit.EntryQuery{Mentions: "%_"}, []int64{3}},
	} {
		test.query.Limit = 10
		got, err := s.FindEntries(ctx, test.query)
		must(t, err)
		var seqs []int64
		for _, e := range got {
			seqs = append(seqs, e.Seq)
		}
		if !slices.Equal(seqs, test.want) {
			t.Errorf("%s: %v, want %v", name, seqs, test.want)
		}
	}
	if got, err := s.FindEntries(ctx, audit.EntryQuery{Limit: 1}); err != nil || len(got) != 1 || got[0].Target != "carol@example.com" {
		t.Errorf("at most one: %v, %v", got, err)
	}
}

func entriesExpire(t *testing.T, s store) {
	ctx := t.Context()
	at := entry("").Time
	for i := range 3 {
		e := entry("old")
		e.Time = at.Add(time.Duration(i) * time.Hour)
		must(t, s.AppendEntry(ctx, *e))
	}
	e := entry("expire")
	e.Time = at.Add(3 * time.Hour)
	_, err := s.Do(ctx, e, func(tx admin.Tx) error {
		n, err := tx.ExpireEntries(ctx, at.Add(2*time.Hour))
		if n != 2 {
			t.Errorf("%d entries are deleted", n)
		}
		return err
	})
	must(t, err)
	if left, err := s.Entries(ctx, 9); err != nil || len(left) != 2 || left[0].Action != "expire" || !left[1].Time.Equal(at.Add(2*time.Hour)) {
		t.Errorf("left are %v, %v", left, err)
	}
}

func metaSentences() []sentence {
	return []sentence{
		{"a value comes back as it was last set, and nothing before it was", metaComesBack},
		{"setting a value moves no feed", metaIsNoChange},
	}
}

func metaComesBack(t *testing.T, s store) {
	ctx := t.Context()
	if value, err := s.Meta(ctx, "name"); value != nil || err != nil {
		t.Errorf("before: %v, %v", value, err)
	}
	for _, want := range [][]byte{{0, 1, 255}, []byte("text"), {}, nil} {
		must(t, s.SetMeta(ctx, "name", want))
		must(t, s.SetMeta(ctx, "other", []byte("other")))
		value, err := s.Meta(ctx, "name")
		if err != nil || string(value) != string(want) {
			t.Errorf("%v, %v; want %v", value, err, want)
		}
	}
}

func metaIsNoChange(t *testing.T, s store) {
	must(t, s.SetMeta(t.Context(), "name", []byte("value")))
	if s.position() != 0 {
		t.Errorf("position %d", s.position())
	}
	if entries, err := s.Entries(t.Context(), 1); err != nil || len(entries) != 0 {
		t.Error(errors.Join(err, fmt.Errorf("%d entries", len(entries))))
	}
}
