// Package mariadb is all that MyDB knows of MariaDB, versions 10.6 to 12.
//
// The way through: recipe.go says how to run a server. Its container starts with entry.sh, which puts the instance's secret on
// tmpfs, refuses to initialise a data directory that should not be empty, and then hands over to the official image's own entry
// point; that one runs init.sh once, in the new data directory, to make MyDB's accounts and to remove all others. From then on
// everything goes over SQL: provision.go makes the scientist's account and database, prove.go measures that they can be used,
// life.go is for the time after, measure.go and report.go look. snippets.go tells people how to connect.
//
// MyDB's accounts on every server: mydb_admin may do everything, mydb_probe has the scientist's rights and measures that the
// database works when MyDB no longer knows the scientist's password, mydb_replication copies the server for backups. There is no
// root, neither remote nor local.
//
// A tenant's databases are the one that MyDB made and all whose names begin with its name and "_": MariaDB gives rights by
// patterns of database names, and knows no owner. So rights hold for what comes later, and there is nothing to hand over when an
// account goes.
//
// What MyDB must remember about a server lies in the database mydb, which nobody but mydb_admin sees. It is no part of a backup.
//
// A data directory is complete when it holds the file that MarkerFile names. Whoever fills a data directory by other means than
// init.sh puts it there; a physical copy carries it along.
package mariadb
