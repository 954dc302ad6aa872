package discordfake

import (
	"strconv"
	"time"
)

// epoch is the first millisecond of 2015, from which Discord counts.
const epoch = 1420070400000

// newID makes an id as Discord does: milliseconds since the epoch in the upper 42 bits, then the worker and process that made it
// (one and one), then a counter. Ids grow, also when the clock does not move.
func (f *Fake) newID() string {
	id := uint64(f.now().UnixMilli()-epoch)<<22 | 1<<17 | 1<<12
	f.lastID = max(id, f.lastID+1)
	return strconv.FormatUint(f.lastID, 10)
}

// TimeOf is the time that an id was made. It is zero for what is no id.
func TimeOf(id string) time.Time {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(n>>22) + epoch)
}

// newer says whether one id was made after the other.
func newer(id, than string) bool {
	a, _ := strconv.ParseUint(id, 10, 64)
	b, _ := strconv.ParseUint(than, 10, 64)
	return a > b
}
