package postgres

import (
	"context"
	"errors"

	"github.com/mydb-project/mydb/core/engine"
)

var errSoon = errors.New("not written yet")

// Grant implements engine.Engine.
func (Engine) Grant(context.Context, engine.Server, string, engine.Tenant, engine.Access) error {
	return errSoon
}

// Revoke implements engine.Engine.
func (Engine) Revoke(context.Context, engine.Server, string, engine.Tenant, string) error {
	return errSoon
}

// Sample implements engine.Engine.
func (Engine) Sample(context.Context, engine.Server, string) (engine.Sample, error) {
	return engine.Sample{}, errSoon
}

// Report implements engine.Engine.
func (Engine) Report(context.Context, engine.Server, engine.Secrets, engine.Tenant) (engine.Report, error) {
	return engine.Report{}, errSoon
}

// Lacks implements engine.Engine.
func (Engine) Lacks() map[engine.Capability]string { return nil }
