package sqlite

import (
	"context"
	"testing"
	"time"
)

func TestQuick(t *testing.T) {
	for range 3 {
		s := time.Now()
		db, err := Open(context.Background(), t.TempDir()+"/x")
		t.Log(time.Since(s), err)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(db.Created())
		s = time.Now()
		t.Log(db.Close(), time.Since(s))
	}
}
