package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/jobs/store/storetest"
)

// TestObjectLock tells until when an object is locked and that it cannot be removed; a check of the store leaves nothing.
func TestObjectLock(t *testing.T) {
	endpoint := storetest.Serve(t)
	s := open(t, storetest.LockedBucket(t, endpoint))
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for o, err := range s.List(t.Context(), "") {
		t.Errorf("the check has left %s, %v", o.Key, err)
	}
	if err := s.Put(t.Context(), "i/b/part", strings.NewReader("rows"), 4); err != nil {
		t.Fatal(err)
	}
	o, err := s.Head(t.Context(), "i/b/part")
	if err != nil || o.Lock.Before(time.Now().Add(23*time.Hour)) {
		t.Errorf("%+v, %v; want a lock of a day", o, err)
	}
	var locked *jobs.LockedError
	if err := s.Remove(t.Context(), "i/b/part"); !errors.As(err, &locked) {
		t.Errorf("remove: %v", err)
	}
	if got := get(t, s, "i/b/part"); string(got) != "rows" {
		t.Errorf("%s", got)
	}
}
