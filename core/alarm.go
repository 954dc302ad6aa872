package core

import (
	"context"
	"fmt"
	"time"

	"github.com/mydb-project/mydb/core/engine"
)

// The kinds of alarms on an instance.
const (
	AlarmDisk        = "disk"        // near or above the figure of its size
	AlarmConnections = "connections" // nearly all taken
	AlarmUnreachable = "unreachable" // does not answer
	AlarmCrashLoop   = "crash_loop"  // its server ends again and again
	AlarmMemory      = "memory"      // it ends because it needs more memory than its size allows
)

var alarmKinds = []string{AlarmDisk, AlarmConnections, AlarmUnreachable, AlarmCrashLoop, AlarmMemory}

// When something is an alarm. What goes up and down around a limit counts as above it until several samples in a row are below.
const (
	diskWarning       = 0.8
	connectionsHigh   = 0.9
	unansweredSamples = 3
	steadySamples     = 3
	loopRestarts      = 3
	loopWindow        = 10 * time.Minute
)

// Measured is an instance that was sampled just now. Cause is AlarmCrashLoop or AlarmMemory when the cluster says that this keeps its
// server from running; else empty.
type Measured struct {
	ID    string
	Cause string
}

// measured is an instance with its newest samples, the newest first.
type measured struct {
	ID, Name, Owner, Size, Cause string
	MemoryOpen                   bool
	samples                      []Usage
}

// Alarm judges instances by their newest samples, and opens and resolves findings.
func (s *Service) Alarm(ctx context.Context, list []Measured) error {
	all, ids, err := s.newestSamples(ctx, list)
	if err != nil {
		return err
	}
	l := look{kinds: alarmKinds, instances: ids, tell: []Audience{ToOwner, ToAdmins}}
	for _, m := range all {
		size, _ := s.catalogue.Size(m.Size)
		l.found = append(l.found, m.alarms(size, s.now())...)
	}
	return s.settle(ctx, l)
}

func (s *Service) newestSamples(ctx context.Context, list []Measured) (out []*measured, ids []string, err error) {
	causes := map[string]string{}
	ids = []string{}
	for _, m := range list {
		ids = append(ids, m.ID)
		causes[m.ID] = m.Cause
	}
	type instance struct {
		ID, Name, Owner, Size string
		MemoryOpen            bool
	}
	instances, err := many[instance](ctx, s.db, `select i.id, i.name, p.login as owner, i.size, exists (select from findings f
			where f.instance_id = i.id and f.kind = 'memory' and f.resolved_at is null) as memory_open
		from instances i join people p on p.id = i.owner_id where i.id = any($1)`, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("read the instances that were measured: %w", err)
	}
	type sample struct {
		InstanceID string
		Usage
	}
	samples, err := many[sample](ctx, s.db, `select i.id as instance_id, s.* from unnest($1::text[]) i (id), lateral (select `+usageColumns+`
		from samples where instance_id = i.id and at > $2 order by at desc limit 30) s order by i.id, s.at desc`, ids, s.now().Add(-loopWindow))
	if err != nil {
		return nil, nil, fmt.Errorf("read the newest samples: %w", err)
	}
	byID := map[string]*measured{}
	for _, i := range instances {
		byID[i.ID] = &measured{ID: i.ID, Name: i.Name, Owner: i.Owner, Size: i.Size, Cause: causes[i.ID], MemoryOpen: i.MemoryOpen}
		out = append(out, byID[i.ID])
	}
	for _, x := range samples {
		if m := byID[x.InstanceID]; m != nil {
			m.samples = append(m.samples, x.Usage)
		}
	}
	return out, ids, nil
}

// alarms is what is wrong with an instance.
func (m *measured) alarms(size engine.Size, now time.Time) []found {
	var out []found
	add := func(kind string, severity Severity, format string, args ...any) {
		out = append(out, found{kind: kind, subject: m.ID, instanceID: m.ID, severity: severity, message: fmt.Sprintf(format, args...)})
	}
	loop := m.loop(now)
	switch loop {
	case AlarmMemory:
		add(AlarmMemory, SeverityAlarm, "%s needs more memory than its size %s allows, and was stopped for it. Choose a larger size, or run smaller queries at a time.", m.Name, m.Size)
	case AlarmCrashLoop:
		add(AlarmCrashLoop, SeverityAlarm, "The server of %s ends again and again soon after it starts. The last lines of its log say why.", m.Name)
	}
	if loop == "" && m.silent() {
		add(AlarmUnreachable, SeverityAlarm, "%s has not answered %d times in a row: %s Look at its log; a restart may help.", m.Name, unansweredSamples, m.samples[0].Error)
	}
	if part := m.highest(diskPart(size)); part > 1 {
		add(AlarmDisk, SeverityAlarm, "%s takes up %.0f %% of the disk that its size %s is meant for. Remove what nobody needs, or choose a larger size: the machine's disk is shared.", m.Name, part*100, m.Size)
	} else if part > diskWarning {
		add(AlarmDisk, SeverityWarning, "%s takes up %.0f %% of the disk that its size %s is meant for. Remove what nobody needs, or choose a larger size soon.", m.Name, part*100, m.Size)
	}
	if part := m.highest(connectionsPart); part >= connectionsHigh {
		add(AlarmConnections, SeverityWarning, "%s had up to %.0f %% of its connections taken; at 100 %% nobody else gets in. Close idle ones, use a connection pool, or choose a larger size.", m.Name, part*100)
	}
	return out
}

// loop tells whether, and of which kind, the server's ends are too many. Why it ended is known only for a moment, so that an alarm
// about memory stays one for as long as restarts go on.
func (m *measured) loop(now time.Time) string {
	restarts := 0
	for _, s := range m.samples {
		if now.Sub(s.At) < loopWindow {
			restarts += s.Restarts
		}
	}
	switch {
	case m.Cause == AlarmMemory, m.MemoryOpen && restarts > 0:
		return AlarmMemory
	case m.Cause == AlarmCrashLoop, restarts >= loopRestarts:
		return AlarmCrashLoop
	}
	return ""
}

func (m *measured) silent() bool {
	if len(m.samples) < unansweredSamples {
		return false
	}
	for _, s := range m.samples[:unansweredSamples] {
		if s.Up {
			return false
		}
	}
	return true
}

// highest is the highest value of the newest samples that have one.
func (m *measured) highest(of func(Usage) float64) (most float64) {
	for _, s := range m.samples[:min(steadySamples, len(m.samples))] {
		most = max(most, of(s))
	}
	return most
}

func diskPart(size engine.Size) func(Usage) float64 {
	return func(u Usage) float64 {
		if u.Bytes == nil || size.Disk <= 0 {
			return 0
		}
		return float64(*u.Bytes) / float64(size.Disk)
	}
}

func connectionsPart(u Usage) float64 {
	if u.Connections == nil || u.MaxConnections == nil || *u.MaxConnections <= 0 {
		return 0
	}
	return float64(*u.Connections) / float64(*u.MaxConnections)
}
