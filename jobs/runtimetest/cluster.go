package runtimetest

import (
	"context"
	"testing"
	"time"

	"github.com/mydb-project/mydb/jobs"
)

// Cluster is what the cases run on.
type Cluster struct {
	// Members are the nodes. The first is a manager; cases about several nodes run when there are at least two.
	Members []Member
	// Image runs PostgreSQL by the contract of the official image.
	Image string
	// Gone is a runtime whose engine does not answer. Nil leaves out the case.
	Gone jobs.Runtime
	// Inspector is nil for a runtime that runs nothing: the cases that need a server are then left out.
	Inspector Inspector
}

// Member is one node of the cluster and the runtime of a worker on it.
type Member struct {
	Runtime jobs.Runtime
	// Local says that the node has this machine's network, so that a listener of the test takes a port on it.
	Local bool
	// Cut takes the node off the network until mend is called. Nil leaves out the case.
	Cut func(ctx context.Context) (mend func(ctx context.Context) error, err error)
}

// Inspector looks at the cluster past the runtime. Member counts from 0, as in Cluster.Members.
type Inspector interface {
	// Services and Secrets list what bears the instance's label, and Configs what bears the engine's, by name.
	Services(ctx context.Context, instanceID string) ([]Object, error)
	Secrets(ctx context.Context, instanceID string) ([]Object, error)
	Configs(ctx context.Context, engineName string) ([]Object, error)
	// Volumes lists what bears the instance's label on one node.
	Volumes(ctx context.Context, member int, instanceID string) ([]Object, error)
	// Containers lists the instance's containers on one node, also those that have ended, the newest first.
	Containers(ctx context.Context, member int, instanceID string) ([]Container, error)
	// MakeVolume makes a volume that bears no label, under the name that the instance's first volume has.
	MakeVolume(ctx context.Context, member int, instanceID string) (remove func(context.Context) error, err error)
}

// Object is a thing in the cluster.
type Object struct {
	Name   string
	Labels map[string]string
}

// Container is what became of a task. CPU counts cores; sizes are bytes.
type Container struct {
	ID       string
	Image    string
	Labels   map[string]string
	Running  bool
	ExitCode int
	Started  time.Time
	Finished time.Time
	CPU      float64
	Memory   int64
	Volumes  map[string]string // source by target
	Tmpfs    map[string]int64  // size by target
}

// Run runs all cases that the cluster allows. Each leaves nothing behind.
func Run(t *testing.T, open func(t *testing.T) Cluster) {
	c := open(t)
	for _, tc := range cases {
		switch {
		case tc.server && c.Inspector == nil, tc.members > len(c.Members), tc.gone && c.Gone == nil:
			continue
		}
		t.Run(tc.name, func(t *testing.T) {
			if !tc.alone {
				t.Parallel()
			}
			tc.run(t, c)
		})
	}
}

// A case that needs a server needs an Inspector too.
var cases = []struct {
	name    string
	server  bool
	gone    bool
	members int
	alone   bool // disturbs others on the same cluster
	run     func(t *testing.T, c Cluster)
}{
	{name: "absent is an answer and a success", run: testAbsent},
	{name: "what is ensured twice exists once", run: testEnsureTwice},
	{name: "removing twice succeeds", run: testRemoveTwice},
	{name: "self is one of the nodes", run: testSelf},
	{name: "a disk that is known has room", run: testFreeDisk},
	{name: "engine gone", gone: true, run: testEngineGone},

	{name: "workers at the same time make one of each", server: true, run: testEnsureRace},
	{name: "the container is as asked", server: true, run: testAsAsked},
	{name: "the secret can be read from the container", server: true, run: testReadSecret},
	{name: "data survive removal", server: true, run: testDataSurvive},
	{name: "an update stops first and keeps the volume", server: true, run: testUpdate},
	{name: "a new name restarts nothing", server: true, run: testRename},
	{name: "the volume is exchanged and put back", server: true, run: testExchange},
	{name: "a server beside fills another volume", server: true, run: testBeside},
	{name: "a server beside that is killed", server: true, run: testKilledBeside},
	{name: "a removal stops the server cleanly", server: true, run: testCleanStop},
	{name: "reservations are taken off what is free", server: true, run: testReservation},

	{name: "port held by another program", server: true, run: testPortForeign},
	{name: "port held by another instance", server: true, run: testPortInstance},
	{name: "image missing", server: true, run: testImageMissing},
	{name: "no room", server: true, run: testNoRoom},
	{name: "node unknown", server: true, run: testNodeUnknown},
	{name: "crash loop", server: true, run: testCrashLoop},
	{name: "memory", server: true, run: testMemory},
	{name: "an instance that was hopeless can be mended", server: true, run: testMended},

	{name: "configs are shared and go with the last user", server: true, run: testConfigs},
	{name: "a foreign volume is left alone", server: true, run: testForeignVolume},
	{name: "a volume in use is not removed", server: true, run: testVolumeInUse},

	{name: "an instance runs where it was asked to", server: true, members: 2, run: testPinned},
	{name: "a volume is removed on its own node only", server: true, members: 2, run: testVolumeElsewhere},
	{name: "a node that is away is waited for", server: true, members: 2, alone: true, run: testNodeAway},
}
