// Package jobs does what core has decided: River workers, one file for each kind of work, named as the file in core that
// decides it. Runtime is the port to the container cluster; jobs/swarm implements it.
package jobs
