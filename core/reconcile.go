package core

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Cluster is what a runtime runs and keeps, at one moment. It holds only what bears an instance's label.
type Cluster struct {
	At       time.Time // before the cluster was asked
	Nodes    []string  // ids of those that are up and take tasks
	Services []ClusterService
	Secrets  []ClusterThing
}

// ClusterService is the service of one instance. Task is the state of its task in the runtime's words; empty when there is none.
type ClusterService struct {
	InstanceID string
	Name       string
	Wanted     bool // it wants a task
	Image      string
	NodeID     string // that it is pinned to
	Volume     string // that its data is on; empty: not known
	Port       int
	Task       string
	Ends       []time.Time // when tasks ended by themselves, as far as the cluster remembers

	// What a recovery needs to know beside. CPU counts cores, Memory is in bytes.
	Engine     string
	Label      string // the instance's name when the service was changed last
	Generation int    // of the volume that is mounted; 0: not known
	CPU        float64
	Memory     int64
	Restarts   int // that were asked for
	CreatedAt  time.Time
}

// ClusterThing is a secret or a volume with an instance's label.
type ClusterThing struct {
	Name       string `json:"name"`
	InstanceID string `json:"instance"`
}

// Inventory is which volumes a node had.
type Inventory struct {
	NodeID  string
	Volumes []ClusterThing
	// FreeBytes is how much room is on its disk; nil: it cannot see that.
	FreeBytes *int64
	At        time.Time
}

// inventoryLife is for how long a node's word on its volumes counts.
const inventoryLife = 5 * time.Minute

func (i Inventory) fresh(now time.Time) bool { return !i.At.IsZero() && now.Sub(i.At) < inventoryLife }

func (i Inventory) has(volume string) bool {
	return slices.ContainsFunc(i.Volumes, func(v ClusterThing) bool { return v.Name == volume })
}

// KeepInventory records which volumes a node has. at is a moment before the node was asked.
func (s *Service) KeepInventory(ctx context.Context, i Inventory) error {
	volumes, err := json.Marshal(append([]ClusterThing{}, i.Volumes...))
	if err != nil {
		return fmt.Errorf("encode the inventory: %w", err)
	}
	_, err = s.db.Exec(ctx, `insert into inventories (node_id, volumes, at, free_bytes) values ($1, $2, $3, $4)
		on conflict (node_id) do update set volumes = $2, at = $3, free_bytes = $4 where inventories.at < $3`, i.NodeID, string(volumes), i.At, i.FreeBytes)
	if err != nil {
		return fmt.Errorf("record the inventory of node %s: %w", i.NodeID, err)
	}
	return nil
}

func (s *Service) inventories(ctx context.Context) (map[string]Inventory, error) {
	list, err := many[Inventory](ctx, s.db, "select node_id, volumes, at, free_bytes from inventories")
	if err != nil {
		return nil, fmt.Errorf("read the inventories: %w", err)
	}
	out := map[string]Inventory{}
	for _, i := range list {
		out[i.NodeID] = i
	}
	return out, nil
}

// FreeDisks tells how many bytes are free on the disks of the nodes that have said so lately, by node.
func (s *Service) FreeDisks(ctx context.Context) (map[string]int64, error) {
	all, err := s.inventories(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for id, i := range all {
		if i.fresh(s.now()) && i.FreeBytes != nil {
			out[id] = *i.FreeBytes
		}
	}
	return out, nil
}

// DataThere reports whether the node of an instance has said lately that it has the instance's volume. Without it nothing may be
// started: the orchestrator would make a new, empty one.
func (s *Service) DataThere(ctx context.Context, i Instance) (bool, error) {
	all, err := s.inventories(ctx)
	if err != nil {
		return false, err
	}
	inventory := all[value(i.NodeID)]
	return inventory.fresh(s.now()) && inventory.has(volumeName(i.ID, i.Generation)), nil
}

func volumeName(instanceID string, generation int) string {
	return fmt.Sprintf("mydb-%s-g%d", instanceID, generation)
}

// expected is an instance as the catalogue has it. Ended ones are in it for a while, because what they had goes one by one.
type expected struct {
	ID, Name   string
	State      State
	NodeID     *string
	Port       *int
	Image      string
	Generation int
	Busy       bool      // under an operation
	SettledAt  time.Time // when the last operation ended
	HealFailed *time.Time
	Ended      bool
}

const selectExpected = `select i.id, i.name, i.state, i.node_id, p.port, i.image, i.generation, i.ended_at is not null as ended,
		coalesce(o.busy, false) as busy, coalesce(o.settled_at, i.created_at) as settled_at, o.heal_failed
	from instances i left join ports p on p.instance_id = i.id
	left join (select instance_id, bool_or(finished_at is null) as busy, max(finished_at) as settled_at,
		max(finished_at) filter (where kind = 'heal' and state = 'failed') as heal_failed from operations where kind <> 'verify' group by instance_id) o on o.instance_id = i.id
	where i.ended_at is null or i.ended_at > $1`

// How the reconciler goes about what it may heal.
const (
	healPause    = 10 * time.Minute // after an attempt that failed
	healsAtOnce  = 50               // in one look
	leavingGrace = 10 * time.Minute // for what ended, until its last volume is gone
)

// Reconciled is what one look at the cluster has led to.
type Reconciled struct {
	Differences int
	Healed      int // operations that were started
}

// Reconcile compares the cluster with the catalogue. It starts operations that heal what can be healed safely, unless the site is
// paused or was just recovered, and keeps findings of all that differs. It never removes anything. The cluster has to be read before the call: what MyDB
// made in between is then in the catalogue already.
func (s *Service) Reconcile(ctx context.Context, c Cluster) (r Reconciled, err error) {
	rows, err := many[expected](ctx, s.db, selectExpected, s.now().Add(-leavingGrace))
	if err != nil {
		return r, fmt.Errorf("read the catalogue: %w", err)
	}
	inventories, err := s.inventories(ctx)
	if err != nil {
		return r, err
	}
	why, err := s.healsNothing(ctx)
	if err != nil {
		return r, err
	}
	d := diff(rows, c, inventories, s.now())
	l := look{kinds: d.kinds, skipped: d.skipped, tell: []Audience{ToAdmins}}
	for _, x := range d.list {
		if x.heal && r.Healed < healsAtOnce {
			started, action := s.heal(ctx, x, why)
			x.action = action
			if started {
				r.Healed++
			}
		}
		l.found = append(l.found, x.found)
	}
	r.Differences = len(l.found)
	return r, s.settle(ctx, l)
}

// healsNothing says why nothing is healed now; empty when it is.
func (s *Service) healsNothing(ctx context.Context) (string, error) {
	pause, err := s.Paused(ctx)
	if err != nil || pause != nil {
		return "Nothing is done while the site is paused.", err
	}
	still, err := s.StandsStill(ctx)
	if err != nil || still {
		return "Nothing is done until an administrator accepts the recovery of MyDB.", err
	}
	return "", nil
}

// heal starts an operation for a difference, unless there is a reason against healing, and says what was done.
func (s *Service) heal(ctx context.Context, d difference, against string) (started bool, action string) {
	switch {
	case against != "":
		return false, against
	case d.healFailed != nil && s.now().Sub(*d.healFailed) < healPause:
		return false, "The last attempt to put it right failed; the next follows at " + moment(d.healFailed.Add(healPause)) + "."
	}
	receipt, err := s.Do(ctx, system(heal{On: On{d.instanceID}}))
	switch {
	case CodeOf(err) == CodeBusy: // somebody is at work on it by now
		return false, ""
	case err != nil:
		s.log.Error("a difference could not be healed", "kind", d.kind, "instance", d.instanceID, "error", err)
		return false, ""
	}
	return true, "MyDB puts it right (operation " + receipt.Operation.ID + ")."
}
