package mongodb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
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
		Files: map[string][]byte{"login.yaml": []byte("password: " + password + "\n"), "ca.crt": s.PEM},
	}
}

func (d *dump) tool(p engine.Part) engine.Tool {
	return tool(d.server, BackupUser, d.secrets.Replication, "mongodump", "--archive", "--db="+p.Database)
}

// Parts implements engine.Dump.
func (d *dump) Parts() []engine.Part { return d.parts }

// dumped is how mongodump tells that it has a collection.
var dumped = regexp.MustCompile(`done dumping (.+) \((\d+) documents?\)`)

// Write implements engine.Dump.
func (d *dump) Write(ctx context.Context, p engine.Part, w io.Writer) error {
	database := engine.ContentDatabase{Name: p.Database, Tables: []engine.ContentTable{}}
	t := d.tool(p)
	t.Say = func(line string) {
		if match := dumped.FindStringSubmatch(line); match != nil {
			rows, _ := strconv.ParseInt(match[2], 10, 64)
			database.Tables = append(database.Tables, engine.ContentTable{Name: match[1][min(len(p.Database)+1, len(match[1])):], Rows: rows})
		}
	}
	if err := d.run(ctx, t, nil, w); err != nil {
		return err
	}
	slices.SortFunc(database.Tables, byName)
	d.out.Databases = append(d.out.Databases, database)
	return nil
}

func byName(a, b engine.ContentTable) int { return strings.Compare(a.Name, b.Name) }

// Contents implements engine.Dump: what mongodump said that it has written.
func (d *dump) Contents(context.Context, int64) (engine.Contents, error) { return d.out, nil }

// Close implements engine.Dump.
func (d *dump) Close() {}

// CheckPart implements engine.Archiver. The tool wants to see a server, which it changes nothing on.
func (Engine) CheckPart(ctx context.Context, s engine.Server, secrets engine.Secrets, _ engine.Part, data io.Reader, run engine.RunTool) error {
	return run(ctx, tool(s, AdminUser, secrets.Admin, "mongorestore", "--archive", "--dryRun"), data, nil)
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

// Contents implements engine.Archiver. There are no checksums: a backup cannot say which moment one would be of.
func (Engine) Contents(ctx context.Context, s engine.Server, secrets engine.Secrets, _ int64) (engine.Contents, error) {
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
			database, err := countDatabase(ctx, c.Database(name))
			if err != nil {
				return fmt.Errorf("count the collections of %s: %w", name, err)
			}
			out.Databases = append(out.Databases, database)
		}
		return nil
	})
	return out, err
}

func countDatabase(ctx context.Context, db *mongo.Database) (engine.ContentDatabase, error) {
	out := engine.ContentDatabase{Name: db.Name(), Tables: []engine.ContentTable{}}
	specs, err := db.ListCollectionSpecifications(ctx, bson.D{}, options.ListCollections())
	if err != nil {
		return out, err
	}
	var errs []error
	for _, c := range specs {
		if c.Type == "view" || strings.HasPrefix(c.Name, "system.") {
			continue
		}
		rows, err := db.Collection(c.Name).CountDocuments(ctx, bson.D{})
		errs = append(errs, err)
		out.Tables = append(out.Tables, engine.ContentTable{Name: c.Name, Rows: rows})
	}
	slices.SortFunc(out.Tables, byName)
	return out, errors.Join(errs...)
}

// LockAccounts implements engine.Archiver. A backup holds no accounts.
func (Engine) LockAccounts(context.Context, engine.Server, engine.Secrets, string) ([]string, error) {
	return nil, nil
}
