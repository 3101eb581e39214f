package main

import (
	"testing"
	"time"
)

func TestTimesAreReadAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 15, 4, 5, 6, time.FixedZone("there", 3600))
	for text, want := range map[string]string{
		"now": "2026-03-02T14:04:05Z", "today": "2026-03-02T00:00:00Z", "yesterday": "2026-03-01T00:00:00Z",
		"2026-02-28": "2026-02-28T00:00:00Z", "2026-02-28T01:02": "2026-02-28T01:02:00Z", "2026-02-28 01:02:03": "2026-02-28T01:02:03Z",
		"2026-02-28T01:02:03+02:00": "2026-02-27T23:02:03Z", "90m": "2026-03-02T12:34:05Z", "7d": "2026-02-23T14:04:05Z", "2w": "2026-02-16T14:04:05Z",
	} {
		got, err := pastMoment("since", text, now)
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q is read as %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"-1h", "tomorrow", "7", "2026-13-01", "1y"} {
		if got, err := pastMoment("since", text, now); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
	if got, err := pastMoment("since", "", now); err != nil || !got.IsZero() {
		t.Errorf("nothing is read as %s, %v", got, err)
	}
}

func TestNoCellIsTakenForAFormula(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "/a=b": "/a=b", "=1+1": "'=1+1", "@x": "'@x", "-1": "'-1", "+1": "'+1", "\tx": "'\tx"} {
		if got := harmlessCell(in); got != want {
			t.Errorf("%q is written as %q", in, got)
		}
	}
}
