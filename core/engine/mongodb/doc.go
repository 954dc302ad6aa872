// Package mongodb is all that MyDB knows of MongoDB, versions 6 to 8.
//
// The way through: recipe.go says how to run a server. Its container starts with entry.sh, which puts the instance's secret on
// tmpfs, refuses to initialise a data directory that should not be empty, and then hands over to the official image's own entry
// point; that one runs init.js once, in the new data directory, against a server that listens on the loopback interface only, to
// make MyDB's accounts. From then on everything goes over the published port: replicaset.go turns the server into a replica set of
// one, without which it would have no oplog and no transactions, provision.go makes the scientist's account, prove.go measures that
// it can be used, life.go is for the time after, measure.go and report.go look. snippets.go tells people how to connect.
//
// MyDB's accounts on every server: mydb_admin may do everything, mydb_probe has the scientist's rights and measures that the
// database works when MyDB no longer knows the scientist's password, mydb_backup reads everything for backups. All accounts,
// also people's, are in the database admin.
//
// MongoDB knows no owner and no empty database: a database is there as long as it has a collection, and a tenant is the account
// that has the role dbOwner on it. So rights hold for what comes later, there is nothing to hand over when an account goes, and a
// dropped database comes back with the next write.
//
// Clients must connect directly (directConnection=true): the one member of the set calls itself 127.0.0.1, because the address that
// the instance is published at may change, and may not be reachable from within the container.
//
// Development images run FerretDB, where there is no mongod; ferretdb.go is the one place that knows.
//
// A data directory is complete when it holds the file that MarkerFile names. Whoever fills a data directory by other means than
// init.js puts it there; a copy of the files carries it along.
package mongodb
