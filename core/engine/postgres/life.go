package postgres

import "github.com/mydb-project/mydb/core/engine"

// Lacks implements engine.Engine: it lacks nothing.
func (Engine) Lacks() map[engine.Capability]string { return nil }
