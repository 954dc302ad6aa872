package slackfake_test

import (
	"testing"
	"time"

	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// TestClock goes with the machine's clock or stands, and can be put forward either way.
func TestClock(t *testing.T) {
	running := slackfake.NewClock()
	soon, _ := running.After(time.Millisecond)
	later, _ := running.After(time.Hour)
	never, stop := running.After(time.Hour)
	stop()
	<-soon
	before := running.Now()
	running.Advance(time.Hour)
	<-later
	if d := running.Now().Sub(before); d < time.Hour {
		t.Errorf("an hour put forward is %s", d)
	}
	frozen := slackfake.NewFrozenClock(noon)
	ring, _ := frozen.After(3 * time.Second)
	frozen.Advance(3*time.Second - 1)
	for name, c := range map[string]<-chan struct{}{"stopped": never, "not yet due": ring} {
		select {
		case <-c:
			t.Errorf("%s: it rings", name)
		default:
		}
	}
	frozen.Advance(1)
	<-ring
	if !frozen.Now().Equal(noon.Add(3 * time.Second)) {
		t.Errorf("it is %s", frozen.Now())
	}
	over, _ := frozen.At(noon)
	<-over
}
