package sqlite

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
	"github.com/gatehouse-iap/gatehouse/internal/storage"
)

func benchDB(b *testing.B) *storage.DB {
	b.Helper()
	db, err := Open(b.Context(), filepath.Join(b.TempDir(), "data"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return db
}

func BenchmarkOpenEmpty(b *testing.B) {
	dir := b.TempDir()
	for i := 0; b.Loop(); i++ {
		db, err := Open(b.Context(), filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkReopen(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "data")
	for b.Loop() {
		db, err := Open(b.Context(), dir)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// crowd is a group of 100,000 members.
func crowd() directory.Group {
	group := directory.Group{Email: "crowd@example.com"}
	for i := range 100_000 {
		group.Members = append(group.Members, fmt.Sprintf("person-%07d@example.com", i))
	}
	return group
}

func putGroup(b *testing.B, db *storage.DB, group directory.Group) {
	b.Helper()
	entry := &audit.Entry{Time: epoch, Actor: audit.Actor{Kind: "system"}, Action: "bench"}
	if _, err := db.Do(b.Context(), entry, func(tx admin.Tx) error { return tx.Directory().PutGroup(b.Context(), group) }); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPutGroup100k(b *testing.B) {
	db, group := benchDB(b), crowd()
	for i := 0; b.Loop(); i++ {
		group.Email = fmt.Sprintf("crowd-%d@example.com", i)
		putGroup(b, db, group)
	}
}

func BenchmarkAddOneMemberTo100k(b *testing.B) {
	db, group := benchDB(b), crowd()
	putGroup(b, db, group)
	for i := 0; b.Loop(); i++ {
		group.Members = append(group.Members, fmt.Sprintf("new-%d@example.com", i))
		putGroup(b, db, group)
	}
}

func BenchmarkReadGroups100k(b *testing.B) {
	db := benchDB(b)
	putGroup(b, db, crowd())
	for b.Loop() {
		if err := db.Read(b.Context(), func(v snapshot.View) error {
			groups, err := v.Directory().Groups(b.Context())
			if len(groups) != 1 || len(groups[0].Members) != 100_000 {
				b.Error("members are missing")
			}
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
}

func benchRecord() session.Record {
	return session.Record{
		ID: session.NewID(), Identity: principal.Identity{Kind: principal.User, Provider: "elsewhere", Subject: "1", Email: "a@example.com"},
		AuthTime: epoch, Created: epoch, Expires: epoch.AddDate(1, 0, 0), LastSeen: epoch,
	}
}

func BenchmarkOpenSession(b *testing.B) {
	db := benchDB(b)
	for b.Loop() {
		if err := db.OpenSession(b.Context(), benchRecord()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadSession(b *testing.B) {
	db, record := benchDB(b), benchRecord()
	if err := db.OpenSession(b.Context(), record); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := db.Session(b.Context(), record.ID); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTouch1000Sessions(b *testing.B) {
	db := benchDB(b)
	var seen []session.Seen
	for range 1000 {
		record := benchRecord()
		if err := db.OpenSession(b.Context(), record); err != nil {
			b.Fatal(err)
		}
		seen = append(seen, session.Seen{ID: record.ID})
	}
	for now := epoch; b.Loop(); now = now.Add(1e6) {
		for i := range seen {
			seen[i].Time = now
		}
		if err := db.TouchSessions(b.Context(), seen, now, session.DefaultLifetimes()); err != nil {
			b.Fatal(err)
		}
	}
}
