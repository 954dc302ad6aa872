// Package core is MyDB's domain: people, their database instances, operations on them, secrets and the audit trail.
//
// Every door (chat, pages, REST, terminal) brings a Request to Service.Do, which decides and records everything in one
// transaction together with a job. A worker, in package jobs, carries the job out and reports through the functions in
// work.go. A file here decides; the file of the same name in jobs does.
//
// SQL stands next to the function that runs it; constraints live in the schema (package migrations).
package core
