package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/mydb-project/mydb/core/engine"
)

// scratchStart is how long a throw-away server, or one beside an instance, may take until it answers.
const scratchStart = 5 * time.Minute

// scratchHost is where such a server is reached: it is published on its own node alone.
const scratchHost = "127.0.0.1"

// beside starts a server of the instance on one of its volumes, beside the one that people use, and waits until it answers. MyDB's accounts
// and their passwords are the same there. An empty volume is initialised until the given moment only.
func (a *attempt) beside(ctx context.Context, generation int, initUntil time.Time) (engine.Server, error) {
	secrets := a.secrets
	var err error
	if secrets.Certificate, secrets.Key, err = a.authority.Issue(a.Now(), scratchHost, "mydb-"+a.instance.ID); err != nil {
		return engine.Server{}, err
	}
	secret, err := a.engine.SecretFile(secrets)
	if err != nil {
		return engine.Server{}, fmt.Errorf("write the secret file: %w", err)
	}
	recipe, err := a.recipe(initUntil)
	if err != nil {
		return engine.Server{}, err
	}
	port, err := a.Runtime.Scratch(ctx, ScratchSpec{
		OperationID: a.steps.operationID, PHI: a.private, Engine: a.instance.Engine, Size: a.size, Recipe: recipe, Secret: secret, InstanceID: a.instance.ID, Generation: generation,
	})
	if err != nil {
		return engine.Server{}, err
	}
	s := engine.Server{Host: scratchHost, Port: port, CA: a.authority.Pool(), PEM: a.authority.Certificate()}
	return s, a.answers(ctx, s, secrets.Admin, scratchStart)
}

// recipe is how the instance's server is run.
func (a *attempt) recipe(initUntil time.Time) (engine.Recipe, error) {
	recipe, err := a.engine.Recipe(engine.Input{InstanceID: a.instance.ID, Version: a.version, Size: a.size, Settings: a.instance.Settings, InitUntil: initUntil})
	if err != nil {
		return recipe, fmt.Errorf("write the recipe: %w", err)
	}
	return recipe, nil
}

// answers waits until a server accepts MyDB's admin, for at most so long. It asks nobody but the server.
func (a *attempt) answers(ctx context.Context, s engine.Server, password string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := a.engine.Ping(ctx, s, password)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server at port %d did not answer: %w", s.Port, err)
		case <-tick.C:
		}
	}
}
