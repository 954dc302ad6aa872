package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// How much room a copy must have on a disk beside what is there: twice what it was of, because a restore needs room to sort and to log, and a
// margin that others may need meanwhile.
const (
	roomFactor = 2
	roomMargin = 1 << 30
)

// verifyPause is how long a verification waits for its turn before it looks again.
const verifyPause = 10 * time.Second

// postponed is the error of a step that says that now is no time for the operation. It is no failure.
type postponed struct{ message string }

func (p *postponed) Error() string { return p.message }

// verifyTurn lets no more verifications go on than the site allows. How many go on on one machine, the queue limits.
func verifyTurn(ctx context.Context, a *attempt) (time.Duration, error) {
	total, _ := a.Service.VerifyLimits()
	ahead, err := a.Service.AheadOf(ctx, a.steps.operationID)
	if err != nil || ahead < total {
		return 0, err
	}
	return verifyPause, nil
}

// roomFor is how many bytes a copy of what a backup holds has to find free.
func (a *attempt) roomFor(ctx context.Context, m core.Manifest) int64 {
	size := a.Service.SizeOnDisk(ctx, m.Instance.ID)
	var plain int64
	for _, p := range m.Parts {
		plain += p.Plain
	}
	return roomFactor*max(size, plain) + roomMargin
}

// findRoom looks whether this machine has disk, memory and cores for the throw-away server. If not, the verification is for later.
func (v *verification) findRoom(ctx context.Context) (string, error) {
	need := v.roomFor(ctx, v.manifest)
	free, known, err := v.Runtime.FreeDisk(ctx)
	if err != nil {
		return "", err
	}
	if known && free < need {
		return "", &postponed{fmt.Sprintf("This was postponed: %s are free on the disk of this machine, and a copy has to find %s. MyDB tries again in some hours; an administrator can make room.",
			engine.Bytes(free), engine.Bytes(need))}
	}
	self, err := v.Runtime.Self(ctx)
	if err != nil {
		return "", err
	}
	nodes, err := v.Runtime.Nodes(ctx)
	if err != nil {
		return "", err
	}
	n := slices.IndexFunc(nodes, func(n Node) bool { return n.ID == self.ID })
	if n >= 0 && (nodes[n].FreeCPU < v.size.CPUReserved || nodes[n].FreeMemory < int64(v.size.MemoryReserved)) {
		return "", &postponed{fmt.Sprintf("This was postponed: this machine has no room for a throw-away server of the size %s, which sets aside %g CPU and %s memory. MyDB tries again in some hours.",
			v.size.Name, v.size.CPUReserved, v.size.MemoryReserved)}
	}
	if !known {
		return "how much room is on the disk cannot be seen", nil
	}
	return engine.Bytes(free).String() + " are free", nil
}

// haveRoom refuses to fill a volume on this machine that has no room for it.
func (a *attempt) haveRoom(ctx context.Context, m core.Manifest) error {
	free, known, err := a.Runtime.FreeDisk(ctx)
	if err != nil || !known {
		return err
	}
	if need := a.roomFor(ctx, m); free < need {
		return noRoom(need, free)
	}
	return nil
}

func noRoom(need, free int64) error {
	return &Problem{
		Cause: CauseCapacity, Permanent: true,
		Message: fmt.Sprintf("There is no room on the disk for a restore: it has to find %s free, and there are %s. Ask an administrator to make room.", engine.Bytes(need), engine.Bytes(free)),
	}
}

// withRoom leaves those nodes on whose disks a copy finds room, and those of which nobody knows.
func (a *attempt) withRoom(ctx context.Context, nodes []Node, m core.Manifest) ([]Node, error) {
	free, err := a.Service.FreeDisks(ctx)
	if err != nil {
		return nil, err
	}
	need, most := a.roomFor(ctx, m), int64(0)
	var out []Node
	for _, n := range nodes {
		bytes, known := free[n.ID]
		if !known || bytes >= need {
			out = append(out, n)
		}
		most = max(most, bytes)
	}
	if len(out) == 0 && len(nodes) > 0 {
		return nil, noRoom(need, most)
	}
	return out, nil
}

// hasAll refuses to restore what the server could not have, before anything is on it.
func (a *attempt) hasAll(ctx context.Context, m core.Manifest, s engine.Server, secrets engine.Secrets) error {
	missing, err := a.engine.Missing(ctx, s, secrets, m.Contents)
	if err != nil {
		return fmt.Errorf("look whether the server has what the backup needs: %w", err)
	}
	if len(missing) == 0 {
		return nil
	}
	return &Problem{
		Cause: CauseRefused, Permanent: true,
		Message: core.LacksExtensions(missing, a.engine.Title(), a.version.Version) + " Nothing was restored.",
		Detail:  "The server runs the image " + a.version.Image + ".",
	}
}
