package mongodb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mydb-project/mydb/core/engine"
)

// dump is a backup: an archive for each database. Each collection is as it was at a moment; those of different collections are apart,
// so what is written meanwhile may be in one and not in another. Accounts are not part of it: MongoDB's tools can only take all of them
// along, MyDB's own included.
type dump struct {
	server  engine.Server
	secrets engine.Secrets
	run     engine.RunTool
	parts   []engine.Part
	out     engine.Contents
	written []*archived
}

// Dump implements engine.Archiver.
func (Engine) Dump(ctx context.Context, s engine.Server, secrets engine.Secrets, run engine.RunTool) (engine.Dump, error) {
	d := &dump{server: s, secrets: secrets, run: run, out: engine.Contents{Exact: true, Accounts: []string{}, Databases: []engine.ContentDatabase{}}}
	err := asAdmin(ctx, s, secrets.Admin, func(ctx context.Context, c *mongo.Client) error {
		names, err := userDatabases(ctx, c)
		for n, name := range names {
			p := engine.Part{File: strconv.Itoa(n+1) + ".archive", Kind: engine.PartDatabase, Database: name}
			p.Command = d.tool(p).Command
			d.parts = append(d.parts, p)
		}
		if err != nil {
			return fmt.Errorf("list the databases: %w", err)
		}
		d.out.ServerVersion, err = serverVersion(ctx, c)
		return err
	})
	return d, err
}

func userDatabases(ctx context.Context, c *mongo.Client) ([]string, error) {
	names, err := c.ListDatabaseNames(ctx, bson.D{})
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains([]string{adminDB, "config", "local"}, name) })
	slices.Sort(names)
	return names, err
}

func serverVersion(ctx context.Context, c *mongo.Client) (string, error) {
	var info struct{ Version string }
	err := c.Database(adminDB).RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info)
	return info.Version, err
}

// tool is a program of MongoDB with a way to log in, over TLS and to the right server only.
func tool(s engine.Server, user, password, program string, arguments ...string) engine.Tool {
	return engine.Tool{
		Command: append([]string{
			program, "--config=" + engine.ToolDir + "/login.yaml", "--host=" + s.Host, "--port=" + strconv.Itoa(s.Port),
			"--username=" + user, "--authenticationDatabase=" + adminDB, "--authenticationMechanism=SCRAM-SHA-256", "--ssl", "--sslCAFile=" + engine.ToolDir + "/ca.crt",
		}, arguments...),
		Files: map[string][]byte{"login.yaml": passwordFile(password), "ca.crt": s.PEM},
	}
}

func (d *dump) tool(p engine.Part) engine.Tool {
	return tool(d.server, BackupUser, d.secrets.Replication, "mongodump", "--archive", "--db="+p.Database)
}

// Parts implements engine.Dump.
func (d *dump) Parts() []engine.Part { return d.parts }

// Write implements engine.Dump. The archive is read while it is written, and its documents are counted.
func (d *dump) Write(ctx context.Context, p engine.Part, w io.Writer) error {
	read, write := io.Pipe()
	counted := make(chan error, 1)
	go func() {
		list, err := readArchive(read)
		_ = read.CloseWithError(err) // nil is io.ErrClosedPipe for a tool that goes on after the end
		d.written = append(d.written, list...)
		counted <- err
	}()
	err := d.run(ctx, d.tool(p), nil, io.MultiWriter(w, write))
	_ = write.CloseWithError(err) // nil is the end
	if countErr := <-counted; err == nil && countErr != nil {
		return engine.NotWhole("mongodump", countErr.Error())
	}
	return err
}

// Contents implements engine.Dump: what the archives have.
func (d *dump) Contents(_ context.Context, checksumBelow int64) (engine.Contents, error) {
	out := d.out
	for _, p := range d.parts {
		database := engine.ContentDatabase{Name: p.Database, Tables: []engine.ContentTable{}}
		for _, c := range d.written {
			if c.Database == p.Database && holdsDocuments(c.Collection, c.Type) {
				database.Tables = append(database.Tables, c.table(c.Collection, checksumBelow))
			}
		}
		slices.SortFunc(database.Tables, byName)
		out.Databases = append(out.Databases, database)
	}
	return out, nil
}

func byName(a, b engine.ContentTable) int { return strings.Compare(a.Name, b.Name) }

// holdsDocuments tells a collection of somebody's from views and from what is the server's own.
func holdsDocuments(name, kind string) bool {
	return kind != "view" && !strings.HasPrefix(name, "system.")
}

// Close implements engine.Dump.
func (d *dump) Close() {}

// CheckPart implements engine.Archiver.
func (Engine) CheckPart(_ context.Context, _ engine.Server, _ engine.Secrets, _ engine.Part, data io.Reader, _ engine.RunTool) error {
	_, err := readArchive(data)
	return err
}

// RestorePart implements engine.Archiver.
func (Engine) RestorePart(ctx context.Context, s engine.Server, secrets engine.Secrets, p engine.Part, data io.Reader, run engine.RunTool) error {
	arguments := []string{"--archive", "--drop", "--stopOnError", "--nsInclude=" + p.Database + ".*"}
	err := asAdmin(ctx, s, secrets.Admin, func(ctx context.Context, c *mongo.Client) error {
		ferret, err := isFerretDB(ctx, c)
		if ferret {
			arguments = append(arguments, "--noIndexRestore")
		}
		return err
	})
	if err != nil {
		return err
	}
	return run(ctx, tool(s, AdminUser, secrets.Admin, "mongorestore", arguments...), data, nil)
}

// Contents implements engine.Archiver.
func (Engine) Contents(ctx context.Context, s engine.Server, secrets engine.Secrets, checksumBelow int64) (engine.Contents, error) {
	out := engine.Contents{Exact: true, Accounts: []string{}, Databases: []engine.ContentDatabase{}}
	err := asAdmin(ctx, s, secrets.Admin, func(ctx context.Context, c *mongo.Client) (err error) {
		if out.ServerVersion, err = serverVersion(ctx, c); err != nil {
			return err
		}
		names, err := userDatabases(ctx, c)
		if err != nil {
			return err
		}
		for _, name := range names {
			database, err := countDatabase(ctx, c.Database(name), checksumBelow)
			if err != nil {
				return fmt.Errorf("count the collections of %s: %w", name, err)
			}
			out.Databases = append(out.Databases, database)
		}
		return nil
	})
	return out, err
}

func countDatabase(ctx context.Context, db *mongo.Database, checksumBelow int64) (engine.ContentDatabase, error) {
	out := engine.ContentDatabase{Name: db.Name(), Tables: []engine.ContentTable{}}
	specs, err := db.ListCollectionSpecifications(ctx, bson.D{}, options.ListCollections())
	if err != nil {
		return out, err
	}
	var errs []error
	for _, c := range specs {
		if !holdsDocuments(c.Name, c.Type) {
			continue
		}
		at := c.Name
		if c.Type == "timeseries" { // as mongodump takes it: what the server keeps, not what it shows
			at = bucketsPrefix + at
		}
		table, err := countCollection(ctx, db.Collection(at), c.Name, checksumBelow)
		errs = append(errs, err)
		out.Tables = append(out.Tables, table)
	}
	slices.SortFunc(out.Tables, byName)
	return out, errors.Join(errs...)
}

// countCollection reads a collection, as long as it has no more bytes than get a checksum.
func countCollection(ctx context.Context, c *mongo.Collection, name string, checksumBelow int64) (engine.ContentTable, error) {
	cursor, err := c.Find(ctx, bson.D{})
	if err != nil {
		return engine.ContentTable{}, err
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	var t tally
	for t.bytes <= checksumBelow && cursor.Next(ctx) {
		t.add(cursor.Current)
	}
	if err := cursor.Err(); err != nil || t.bytes <= checksumBelow {
		return t.table(name, checksumBelow), err
	}
	t.rows, err = c.CountDocuments(ctx, bson.D{})
	return t.table(name, checksumBelow), err
}

// Missing implements engine.Archiver. There is nothing that an image may lack.
func (Engine) Missing(context.Context, engine.Server, engine.Secrets, engine.Contents) ([]string, error) {
	return nil, nil
}

// LockAccounts implements engine.Archiver. A backup holds no accounts.
func (Engine) LockAccounts(context.Context, engine.Server, engine.Secrets, string) ([]string, error) {
	return nil, nil
}
