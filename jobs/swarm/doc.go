// Package swarm runs instances as services of a Docker Swarm. It is the only importer of the Docker SDK.
//
// The way through: spec.go turns a jobs.Spec into a service (names, labels, limits, mounts); ensure.go makes the cluster match
// it; status.go reads the tasks and diagnose.go says what their errors mean to a person; remove.go takes things away again;
// nodes.go measures the machines. dev.go and images.go serve development mode.
//
// Names are deterministic, so that a second attempt finds what the first has made:
//
//	service  mydb-<instance>
//	secret   mydb-<instance>
//	volume   mydb-<instance>-g<generation>      on the instance's node
//	config   mydb-<engine>-<file>-<hash>        shared by all instances of the engine
//
// Services, secrets, configs and nodes are the business of managers; volumes and containers can only be reached on their own
// node. Ensure, Status, Remove and Nodes therefore need a manager, RemoveVolume must run on the instance's node, and Self and
// Images work anywhere.
package swarm
