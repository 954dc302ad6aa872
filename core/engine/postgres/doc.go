// Package postgres is all that MyDB knows of PostgreSQL, versions 13 to 18.
//
// The way through: recipe.go says how to run a server. Its container starts with entry.sh, which puts the instance's secret on
// tmpfs, refuses to initialise a data directory that should not be empty, and then hands over to the official image's own entry
// point; that one runs init.sh once, in the new data directory, to make MyDB's accounts. From then on everything goes over SQL:
// provision.go makes the scientist's role and database, prove.go measures that they can be used. snippets.go tells people how to
// connect.
//
// MyDB's accounts on every server: mydb_admin is the superuser, mydb_probe has the scientist's rights and measures that the
// database works when MyDB no longer knows the scientist's password, mydb_replication copies the server for backups.
//
// A data directory is complete when it holds the file that MarkerFile names. Whoever fills a data directory by other means
// than init.sh (pg_upgrade, for one) puts it there; a physical copy carries it along.
package postgres
