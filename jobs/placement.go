package jobs

import (
	"fmt"
	"slices"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// chooseNode picks the node with the most free memory among those with room for a size. placed are the catalogue's placements;
// those whose service does not exist yet are not in what a node says of itself, so they are counted here.
func chooseNode(nodes []Node, placed []core.Placed, size engine.Size, sizeOf func(string) (engine.Size, bool)) (Node, error) {
	nodes = slices.Clone(nodes)
	for i := range nodes {
		n := &nodes[i]
		for _, p := range placed {
			if s, ok := sizeOf(p.Size); ok && p.NodeID == n.ID && !slices.Contains(n.Instances, p.ID) {
				n.FreeCPU -= s.CPUReserved
				n.FreeMemory -= int64(s.MemoryReserved)
			}
		}
	}
	fits := func(n Node) bool { return n.FreeCPU >= size.CPUReserved && n.FreeMemory >= int64(size.MemoryReserved) }
	var best *Node
	for i := range nodes {
		if fits(nodes[i]) && (best == nil || nodes[i].FreeMemory > best.FreeMemory) {
			best = &nodes[i]
		}
	}
	if best == nil {
		return Node{}, &Problem{
			Cause: CauseCapacity, Permanent: true,
			Message: fmt.Sprintf("No machine has room for a %s database (it sets aside %g CPU and %s memory). Choose a smaller size, "+
				"or ask an administrator to make room.", size.Name, size.CPUReserved, size.MemoryReserved),
		}
	}
	return *best, nil
}
