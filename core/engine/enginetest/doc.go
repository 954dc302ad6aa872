// Package enginetest is the suite that every database engine must pass: what MyDB promises of an engine.Engine, tried on real
// servers in containers that run the engine's own recipe.
//
// An engine's test gives Run a Case: the engine, the images to try, a way to log in as anybody, and a few words of the engine's
// language. The suite itself knows no language. What an engine does not have, it says in Lacks, and what a server lacks that only
// stands in for the engine, Case.StandIn asks of the server; the parts of the suite that need it are then skipped, with that reason.
//
// Box, a container that runs a recipe as a runtime would, is there for an engine's own tests as well.
package enginetest
