package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
)

// Pauses while waiting for a server.
const (
	pingEvery   = 25 * time.Millisecond
	statusEvery = 500 * time.Millisecond
)

// crowdedFor is how long a port or a place that is not free may be the fault of a predecessor that is just leaving: the
// orchestrator looks again only after a while.
const crowdedFor = 15 * time.Second

// attempt is one attempt at an operation on an instance: what it works on, and what all kinds of work do.
type attempt struct {
	Options
	instance core.Instance
	deadline time.Time // of the operation, over all attempts
	engine   engine.Engine
	version  engine.Version
	size     engine.Size
	steps    steps

	nodeID    string
	server    engine.Server
	secrets   engine.Secrets
	authority *crypt.Authority
	initUntil time.Time
	stopped   bool // the spec is that of a server that does not run
	private   bool // what it works on holds health data about persons, or did when it was backed up
	blind     bool // the server's secrets are lost, so it can only be looked at from outside

	crowded     time.Time // since when the task finds no port or no place; zero while it does
	passwordSet bool      // the server has the owner's new password

	accounts core.AccessArgs
	granted  []string // ids of accounts whose new password the server has
	transfer core.TransferArgs
	backup   *backup
	verify   *verification
	keys     *crypt.Keyring // in place of the site's own
	exchange *exchange
}

// step is a part of an operation that people see.
type step struct {
	name string
	do   func(context.Context) (detail string, err error)
}

// begin marks the operation as running and reads what the work is about. Errors: core.ErrFinished.
func begin(ctx context.Context, o Options, operationID string, limit time.Duration) (*attempt, error) {
	i, first, err := o.Service.Begin(ctx, operationID)
	if err != nil {
		return nil, err
	}
	a := &attempt{Options: o, instance: i, private: i.PHI, deadline: first.Add(limit), steps: steps{service: o.Service, operationID: operationID}}
	return a, a.choose()
}

// choose looks up what the instance runs with. A version or size that the catalogue has lost still runs as it was.
func (a *attempt) choose() (err error) {
	i := a.instance
	offer, _ := a.Service.Catalogue().Offer(i.Engine)
	var known, sized bool
	a.version, known = offer.Version(i.Version)
	a.size, sized = a.Service.Catalogue().Size(i.Size)
	if !known || !sized {
		return &Problem{Permanent: true, Message: fmt.Sprintf("This site's catalogue no longer has %s %s, or the size %s, with which %s runs. "+
			"Ask an administrator to put it back, as deprecated; nothing of the database was touched.", i.Engine, i.Version, i.Size, i.Name)}
	}
	a.version.Image = i.Image
	a.engine, err = a.Service.Engine(i.Engine)
	return err
}

// errSecretsLost says that MyDB has no password of a server.
var errSecretsLost = &Problem{
	Cause: CauseData, Permanent: true,
	Message: "MyDB has no password for this server: it was made after the backup that MyDB was recovered from. Restore its newest backup into a new database, and then delete it.",
}

// open reads where an instance that exists is, and the passwords of MyDB's accounts on it.
func (a *attempt) open(ctx context.Context) (err error) {
	i := a.instance
	if i.NodeID == nil || i.Host == nil || i.Port == nil || i.InitUntil == nil {
		return fmt.Errorf("instance %s has no place", i.ID)
	}
	if a.authority, err = a.Service.Authority(ctx); err != nil {
		return err
	}
	a.nodeID, a.initUntil = *i.NodeID, *i.InitUntil
	a.server = engine.Server{Host: *i.Host, Port: *i.Port, CA: a.authority.Pool(), PEM: a.authority.Certificate()}
	a.secrets, err = a.Service.ServerSecrets(ctx, i.ID, func() (engine.Secrets, error) {
		return engine.Secrets{}, fmt.Errorf("instance %s: %w", i.ID, errSecretsLost)
	})
	return err
}

// run does steps one after the other, up to the first that fails.
func (a *attempt) run(ctx context.Context, all []step) error {
	for _, s := range all {
		if err := a.steps.do(ctx, s.name, func() (string, error) { return s.do(ctx) }); err != nil {
			return err
		}
	}
	return nil
}

// tenant is the owner's side, without a password when MyDB has none any more.
func (a *attempt) tenant() engine.Tenant {
	return engine.Tenant{Username: a.instance.Username, Database: a.instance.Database, Extensions: a.instance.Extensions}
}

// spec is the instance as it is to run.
func (a *attempt) spec() (Spec, error) {
	recipe, err := a.recipe(a.initUntil)
	if err != nil {
		return Spec{}, err
	}
	secret, err := a.engine.SecretFile(a.secrets)
	if err != nil {
		return Spec{}, fmt.Errorf("write the secret file: %w", err)
	}
	return Spec{
		InstanceID: a.instance.ID, Name: a.instance.Name, Engine: a.instance.Engine, Generation: a.instance.Generation,
		NodeID: a.nodeID, Port: a.server.Port, Size: a.size, Recipe: recipe, Secret: secret,
		SecretVersion: a.secrets.Version, Restarts: a.instance.Restarts, Stopped: a.stopped,
	}, nil
}

// ensure makes the service as the spec says.
func (a *attempt) ensure(ctx context.Context) (string, error) {
	spec, err := a.spec()
	if err != nil {
		return "", err
	}
	return "", a.Runtime.Ensure(ctx, spec)
}

// wait polls the port until MyDB's own account can log in, and watches the task meanwhile. busy is called when something else on
// the host holds the port; nil makes that a failure.
func (a *attempt) wait(ctx context.Context, busy func(context.Context) error) error {
	ping, status := time.NewTicker(pingEvery), time.NewTicker(statusEvery)
	defer ping.Stop()
	defer status.Stop()
	var last error
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the server: %w", errors.Join(ctx.Err(), last))
		case <-ping.C:
			if last = a.ping(ctx); last == nil {
				return nil
			}
		case <-status.C:
			if err := a.watch(ctx, busy); err != nil {
				return err
			}
		}
	}
}

func (a *attempt) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return a.engine.Ping(ctx, a.server, a.secrets.Admin)
}

func (a *attempt) watch(ctx context.Context, busy func(context.Context) error) error {
	st, err := a.Runtime.Status(ctx, a.instance.ID)
	if err != nil {
		return err
	}
	if st.Problem != nil && st.Problem.Cause == CausePort && busy != nil {
		return busy(ctx)
	}
	return a.hopeless(st)
}

// hopeless is the error of a task that will not come up by itself; nil while there is hope.
func (a *attempt) hopeless(st Status) error {
	if st.Problem == nil || st.Problem.Cause != CausePort && st.Problem.Cause != CauseCapacity {
		a.crowded = time.Time{}
	} else if a.crowded.IsZero() {
		a.crowded = a.Now()
	}
	switch {
	case st.State == TaskAbsent:
		return fmt.Errorf("the service of %s went away while it was waited for", a.instance.ID)
	case st.Problem == nil:
		return nil
	case !a.crowded.IsZero() && a.Now().Sub(a.crowded) < crowdedFor:
		return nil
	case st.Problem.Permanent || slices.Contains([]Cause{CauseCrashLoop, CauseMemory, CauseCapacity, CausePort}, st.Problem.Cause):
		p := *st.Problem
		p.Permanent = true // the orchestrator has tried again often enough
		return &p
	}
	return nil
}

// poll asks for the status until it is as wanted, or an error.
func (a *attempt) poll(ctx context.Context, wanted func(Status) (bool, error)) error {
	tick := time.NewTicker(statusEvery / 5)
	defer tick.Stop()
	for {
		st, err := a.Runtime.Status(ctx, a.instance.ID)
		if err != nil {
			return err
		}
		if ok, err := wanted(st); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
