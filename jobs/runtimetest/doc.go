// Package runtimetest says what every jobs.Runtime must do, as tests. A runtime's own test opens a Cluster and calls Run.
//
// The cases look at the cluster twice: through the Runtime, and past it through Inspector, because a runtime that reports a
// volume it has lost would pass a test that only asks the runtime. Servers are a real PostgreSQL with a hand-made recipe, so
// that a failure here is the runtime's and not an engine's.
//
// Nothing is a runtime without containers, for tests and benchmarks of what lies in front of one.
package runtimetest
