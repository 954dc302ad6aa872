// Package server pins what mydb-dev/mongo is built of, where no registry answers and Debian has no mongod: FerretDB, which speaks
// MongoDB's protocol and keeps its data in SQLite, MongoDB's own tools for dumps, and initshell, which runs init scripts. It is a
// module of its own, so that MyDB depends on none of it. build.sh builds it.
package server
