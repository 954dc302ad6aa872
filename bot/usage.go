package bot

import (
	"fmt"

	"github.com/docker/go-units"

	"github.com/mydb-project/mydb/core"
)

// renderUsage writes how a database was doing when it was measured last.
func renderUsage(row func(...string), u core.Usage) {
	if !u.Up {
		row("Answers", "no: "+u.Error)
	}
	if u.UpSince != nil {
		row("Up since", moment(*u.UpSince))
	}
	if u.Bytes != nil {
		row("On disk", units.BytesSize(float64(*u.Bytes)))
	}
	if u.Connections != nil && u.MaxConnections != nil {
		row("Connections", fmt.Sprintf("%d of %d", *u.Connections, *u.MaxConnections))
	}
	if u.LongestQuery != nil && *u.LongestQuery >= 1 {
		row("Longest query", u.Longest().String()+", running now")
	}
	if u.RestartsDay > 0 {
		row("Restarts", fmt.Sprintf("%d by itself in the last 24 hours", u.RestartsDay))
	}
	if u.Up && u.LastErrorAt != nil {
		row("Last error", clip(oneLine(u.LastError), 120)+" ("+moment(*u.LastErrorAt)+")")
	}
}
