package bot

import (
	"fmt"

	"github.com/docker/go-units"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
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

// renderQuotas tells how much of what is allowed is taken.
func renderQuotas(list []core.Quota) string {
	if len(list) == 0 {
		return ""
	}
	return "\n" + table(func(row func(...string)) {
		for _, q := range list {
			bytes := func(b engine.Bytes) string { return units.BytesSize(float64(b)) }
			if q.Limit.Databases > 0 {
				row("Databases", fmt.Sprintf("%d of %d", q.Used.Databases, q.Limit.Databases), q.Of)
			}
			if q.Limit.CPU > 0 {
				row("Cores", fmt.Sprintf("%g of %g", q.Used.CPU, q.Limit.CPU), q.Of)
			}
			if q.Limit.Memory > 0 {
				row("Memory", bytes(q.Used.Memory)+" of "+bytes(q.Limit.Memory), q.Of)
			}
			if q.Limit.Disk > 0 {
				row("Disk", bytes(q.Used.Disk)+" of "+bytes(q.Limit.Disk), q.Of)
			}
		}
	})
}
