package core

import (
	"fmt"
	"slices"
	"time"
)

// The kinds of differences between the cluster and the catalogue.
const (
	FindingServiceMissing = "service_missing" // it should run, and has no service
	FindingStateWrong     = "state_wrong"     // it runs and should not, or the other way round
	FindingVolumeMissing  = "volume_missing"  // there is no data where data should be
	FindingVolumeDrift    = "volume_drift"    // it runs on another volume than the catalogue says
	FindingPortDrift      = "port_drift"      // published elsewhere than the catalogue says
	FindingImageDrift     = "image_drift"
	FindingNodeDrift      = "node_drift"
	FindingNodeAway       = "node_away" // a machine that should run databases
	FindingUnknownService = "unknown_service"
	FindingUnknownSecret  = "unknown_secret"
	FindingUnknownVolume  = "unknown_volume"
)

var (
	clusterKinds = []string{
		FindingServiceMissing, FindingStateWrong, FindingVolumeDrift, FindingPortDrift, FindingImageDrift, FindingNodeDrift, FindingNodeAway, FindingUnknownService, FindingUnknownSecret,
	}
	volumeKinds = []string{FindingVolumeMissing, FindingUnknownVolume}
)

// difference is a finding that may be put right.
type difference struct {
	found
	heal       bool
	healFailed *time.Time
}

// differences are what a comparison gives. kinds are those that it could judge; skipped are the instances that it left alone.
type differences struct {
	kinds   []string
	skipped map[string]bool
	list    []difference
}

func (d *differences) add(kind, subject, instanceID string, severity Severity, format string, args ...any) *difference {
	d.list = append(d.list, difference{found: found{
		kind: kind, subject: subject, instanceID: instanceID, severity: severity, message: fmt.Sprintf(format, args...),
	}})
	return &d.list[len(d.list)-1]
}

// diff compares the catalogue with the cluster. It asks nobody and takes time in proportion to both. What was under an operation when
// or after the cluster was looked at is left alone.
func diff(rows []expected, c Cluster, inventories map[string]Inventory, now time.Time) differences {
	v := comparison{cluster: c, inventories: inventories, now: now, services: map[string]ClusterService{}, known: map[string]bool{}, nodes: map[string]bool{}, volumes: map[string]map[string]bool{}}
	for _, s := range c.Services {
		v.services[s.InstanceID] = s
	}
	for _, n := range c.Nodes {
		v.nodes[n] = true
	}
	for node, inventory := range inventories {
		v.volumes[node] = map[string]bool{}
		for _, x := range inventory.Volumes {
			v.volumes[node][x.Name] = true
		}
	}
	v.out.kinds, v.out.skipped = slices.Clone(clusterKinds), map[string]bool{}
	if v.allFresh(rows) {
		v.out.kinds = append(v.out.kinds, volumeKinds...)
	}
	for _, e := range rows {
		v.known[e.ID] = true
		v.compare(e)
	}
	v.strangers()
	v.awayNodes(rows)
	return v.out
}

type comparison struct {
	cluster     Cluster
	inventories map[string]Inventory
	now         time.Time
	services    map[string]ClusterService // by instance
	known       map[string]bool           // instances of the catalogue
	nodes       map[string]bool           // that take tasks
	volumes     map[string]map[string]bool
	out         differences
}

// allFresh reports whether every node with an instance has told of its volumes lately. Else findings about volumes stay as they are.
func (v *comparison) allFresh(rows []expected) bool {
	for _, e := range rows {
		if e.NodeID != nil && !e.Ended && !v.inventories[*e.NodeID].fresh(v.now) {
			return false
		}
	}
	return true
}

// compare looks at one instance.
func (v *comparison) compare(e expected) {
	runs := e.State == StateReady
	rests := e.State == StateStopped || e.State == StateTrashed
	if e.Ended || e.NodeID == nil {
		return
	}
	if e.Busy || !e.SettledAt.Before(v.cluster.At) {
		v.out.skipped[e.ID] = true
		return
	}
	if !runs && !rests {
		return
	}
	inventory := v.inventories[*e.NodeID]
	asked := inventory.fresh(v.now) && inventory.At.After(e.SettledAt)
	volume := volumeName(e.ID, e.Generation)
	there := asked && v.volumes[*e.NodeID][volume]
	if asked && !there {
		v.out.add(FindingVolumeMissing, volume, e.ID, SeverityAlarm, "The volume %s of %s is not on its machine any more. MyDB starts nothing without it, because an empty one would take its place. "+
			"Look for the disk, or restore a backup.", volume, e.Name)
	}
	service, exists := v.services[e.ID]
	if exists {
		v.compareService(e, service, runs, asked && !there)
		return
	}
	if runs {
		v.missing(e, there)
	}
}

func (v *comparison) missing(e expected, there bool) {
	d := v.out.add(FindingServiceMissing, "mydb-"+e.ID, e.ID, SeverityWarning, "%s should be running, but its service is gone.", e.Name)
	d.healFailed = e.HealFailed
	switch {
	case !v.nodes[*e.NodeID]:
		d.message += " Its machine is not available, or is paused or drained for maintenance. Bring it back; then MyDB deploys the service again."
	case !there:
		d.message += " MyDB does not know whether its data is there, so it starts nothing."
	default:
		d.message += " Its data is there, so MyDB deploys it again."
		d.heal = true
	}
}

func (v *comparison) compareService(e expected, s ClusterService, runs, dataGone bool) {
	volume := volumeName(e.ID, e.Generation)
	drift := s.Volume != "" && s.Volume != volume
	if drift {
		v.out.add(FindingVolumeDrift, s.Name, e.ID, SeverityAlarm, "The service of %s is on the volume %s, but the catalogue says %s. Whatever restarts it puts it on the latter: leave it as it is until it is clear which data is right.", e.Name, s.Volume, volume)
	}
	if s.Wanted != runs {
		d := v.out.add(FindingStateWrong, s.Name, e.ID, SeverityWarning, "%s is %s in the catalogue, but its service %s. MyDB sets it right.", e.Name, e.State, map[bool]string{true: "runs", false: "is scaled to 0"}[s.Wanted])
		d.heal, d.healFailed = !dataGone || s.Wanted, e.HealFailed
		if runs && !v.nodes[*e.NodeID] || drift {
			d.heal = false
		}
	}
	if e.Port != nil && s.Port != *e.Port {
		v.out.add(FindingPortDrift, s.Name, e.ID, SeverityWarning, "%s is published on port %d, but people were told %d. Somebody changed the service; a restart of the database puts it back.", e.Name, s.Port, *e.Port)
	}
	if s.NodeID != *e.NodeID {
		v.out.add(FindingNodeDrift, s.Name, e.ID, SeverityAlarm, "%s is pinned to the machine %q, but its data is on %q. Somebody changed the service; it must not start elsewhere.", e.Name, s.NodeID, *e.NodeID)
	}
	if s.Image != e.Image {
		v.out.add(FindingImageDrift, s.Name, e.ID, SeverityWarning, "%s runs the image %s, but the catalogue says %s. Somebody changed the service; a restart of the database puts it back.", e.Name, s.Image, e.Image)
	}
}

// strangers finds what bears our label and belongs to nothing in the catalogue. It may be another MyDB's, so it is left alone.
func (v *comparison) strangers() {
	tell := func(kind, what, subject, name, id string) {
		if !v.known[id] {
			v.out.add(kind, subject, "", SeverityInfo, "The %s %s bears the label of an instance %s that this catalogue does not have. MyDB leaves it alone; "+
				"if it belongs to no other MyDB, remove it by hand.", what, name, id)
		}
	}
	for _, s := range v.cluster.Services {
		tell(FindingUnknownService, "service", s.Name, s.Name, s.InstanceID)
	}
	for _, s := range v.cluster.Secrets {
		tell(FindingUnknownSecret, "secret", s.Name, s.Name, s.InstanceID)
	}
	for node, inventory := range v.inventories {
		if !inventory.fresh(v.now) {
			continue
		}
		for _, x := range inventory.Volumes {
			tell(FindingUnknownVolume, "volume", node+"/"+x.Name, x.Name, x.InstanceID)
		}
	}
}

// awayNodes tells of machines that should run databases and cannot.
func (v *comparison) awayNodes(rows []expected) {
	waiting := map[string]int{}
	for _, e := range rows {
		if e.State == StateReady && e.NodeID != nil && !v.nodes[*e.NodeID] {
			waiting[*e.NodeID]++
		}
	}
	for node, n := range waiting {
		v.out.add(FindingNodeAway, node, "", SeverityAlarm, "The machine %s is not available, or is paused or drained; %s on it cannot be started there. Bring it back.", node, count(n, "database"))
	}
}
