package session

import (
	"errors"
	"testing"
	"time"
)

func TestAnExchangeThatGoesOnKeepsItsSessionOnlyWhenItIsUsed(t *testing.T) {
	t.Parallel()
	table, _, clock := newTable(t)
	r := open(t, table, ID{})
	table.Add(r)
	half := table.Lifetimes.Idle / 2
	for range 3 { // used: the session never becomes idle
		clock.advance(half)
		if _, err := table.Resume(t.Context(), r.ID, r.Resource, true); err != nil {
			t.Fatalf("a session in use: %v", err)
		}
	}
	clock.advance(half)
	if _, err := table.Resume(t.Context(), r.ID, r.Resource, false); err != nil {
		t.Fatalf("half an idle lifetime later: %v", err)
	}
	clock.advance(half)
	if _, err := table.Resume(t.Context(), r.ID, r.Resource, false); !errors.Is(err, ErrEnded) {
		t.Errorf("open, and not used for the idle lifetime: %v, want ErrEnded", err)
	}
}

func TestWhatGoesOnIsHeldToItsSession(t *testing.T) {
	t.Parallel()
	table, _, clock := newTable(t)
	parent := open(t, table, ID{})
	child := open(t, table, parent.ID)
	table.Add(child)
	changes := 0
	table.Changed = func() { changes++ }
	if _, err := table.Resume(t.Context(), child.ID, "projects/1/iap_web/compute/services/999", true); !errors.Is(err, ErrInvalid) {
		t.Errorf("another resource: %v, want ErrInvalid", err)
	}
	table.Forget(child.ID)
	if _, err := table.Resume(t.Context(), child.ID, child.Resource, true); err != nil || changes != 1 {
		t.Errorf("after Forget: %v, told %d times", err, changes)
	}
	table.End(parent.ID)
	if _, err := table.Resume(t.Context(), child.ID, child.Resource, true); !errors.Is(err, ErrEnded) || changes != 2 {
		t.Errorf("after the end of its parent: %v, told %d times", err, changes)
	}
	clock.advance(time.Second)
	if _, err := table.Resume(t.Context(), NewID(), child.Resource, true); !errors.Is(err, ErrEnded) {
		t.Errorf("a session that is nowhere: %v, want ErrEnded", err)
	}
}

func TestExchangesDoNotAskAStoreThatHasJustFailed(t *testing.T) {
	t.Parallel()
	table, store, clock := newTable(t)
	var of [3]Record
	for i := range of {
		of[i] = open(t, table, ID{})
	}
	resume := func(r Record) error {
		_, err := table.Resume(t.Context(), r.ID, r.Resource, false)
		return err
	}
	store.err = errors.New("down")
	for _, r := range of {
		if err := resume(r); !errors.Is(err, ErrStore) {
			t.Errorf("the store is down: %v, want ErrStore", err)
		}
	}
	if store.reads != 1 {
		t.Errorf("three exchanges asked %d times, want once", store.reads)
	}
	store.err = nil
	if _, err := table.Authenticate(t.Context(), []string{testCookie + "=" + table.sealed(of[0])}, testHost, testCookie, testName); err != nil {
		t.Errorf("a request does not ask anew: %v", err)
	}
	if err := resume(of[1]); err != nil {
		t.Errorf("the store has answered a request since: %v", err)
	}
	store.err = errors.New("down")
	_, _ = table.Authenticate(t.Context(), []string{testCookie + "=" + table.sealed(of[2])}, testHost, testCookie, testName)
	store.err = nil
	clock.advance(storeRest)
	if err := resume(of[2]); err != nil {
		t.Errorf("some time later: %v", err)
	}
}
