package mongodb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/mydb-project/mydb/core/engine"
)

// Report implements engine.Engine. Accounts are read as MyDB's admin, everything else as the probe, which sees what the tenant sees.
func (Engine) Report(ctx context.Context, s engine.Server, secrets engine.Secrets, t engine.Tenant) (engine.Report, error) {
	out := engine.Report{At: time.Now().UTC()}
	err := asAdmin(ctx, s, secrets.Admin, func(ctx context.Context, c *mongo.Client) (err error) {
		out.Accounts, err = reportAccounts(ctx, c)
		return err
	})
	if err == nil {
		err = session(ctx, s, ProbeUser, secrets.Probe, func(ctx context.Context, c *mongo.Client) error {
			return reportContent(ctx, c, t.Database, &out)
		})
	}
	if err != nil && !timeOver(ctx, err) {
		return engine.Report{}, fmt.Errorf("report on %s: %w", t.Database, err)
	}
	out.Complete = err == nil
	return out, nil
}

// timeOver tells an error that comes from the deadline. The server knows the deadline, too, and may answer a moment before it.
func timeOver(ctx context.Context, err error) bool {
	return ctx.Err() != nil || mongo.IsTimeout(err)
}

// reportAccounts lists all accounts but MyDB's, also those that an owner made in their own database.
func reportAccounts(ctx context.Context, c *mongo.Client) ([]engine.ReportAccount, error) {
	all, err := accounts(ctx, c, bson.D{{Key: "forAllDBs", Value: true}})
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	out := []engine.ReportAccount{}
	for _, a := range all {
		name := a.User
		if a.Database != adminDB {
			name += "@" + a.Database
		} else if strings.HasPrefix(name, "mydb_") {
			continue
		}
		rights := []string{}
		for _, r := range a.Roles {
			rights = append(rights, r.Role+" on "+r.Database)
		}
		slices.Sort(rights)
		out = append(out, engine.ReportAccount{Name: name, Login: true, Rights: rights})
	}
	slices.SortFunc(out, func(a, b engine.ReportAccount) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// reportContent fills in databases and collections, and then counts, smallest collections first: when the time is over, most are
// there. An empty database is one that MongoDB does not have; the tenant's is in the report all the same.
func reportContent(ctx context.Context, c *mongo.Client, own string, out *engine.Report) error {
	listed, err := c.ListDatabases(ctx, bson.D{})
	if err != nil {
		return fmt.Errorf("list databases: %w", err)
	}
	out.Databases = []engine.ReportDatabase{{Name: own, Tables: []engine.ReportTable{}}}
	for _, d := range listed.Databases {
		switch {
		case d.Name == own:
			out.Databases[0].Bytes = d.SizeOnDisk
		case !slices.Contains(reservedDatabases, d.Name):
			out.Databases = append(out.Databases, engine.ReportDatabase{Name: d.Name, Bytes: d.SizeOnDisk, Tables: []engine.ReportTable{}})
		}
	}
	slices.SortFunc(out.Databases, func(a, b engine.ReportDatabase) int { return cmp.Compare(a.Name, b.Name) })
	for i := range out.Databases {
		d := &out.Databases[i]
		if d.Tables, err = reportTables(ctx, c.Database(d.Name)); err != nil {
			return fmt.Errorf("list the collections of %s: %w", d.Name, err)
		}
	}
	return countDocuments(ctx, c, out.Databases)
}

// collection is what the server tells of a collection.
type collection struct {
	Name string `bson:"name"`
	Type string `bson:"type"` // collection, timeseries or view
}

func collections(ctx context.Context, db *mongo.Database) ([]collection, error) {
	cursor, err := db.ListCollections(ctx, bson.D{})
	if err != nil {
		return nil, err
	}
	var out []collection
	return out, cursor.All(ctx, &out)
}

// reportTables lists what holds documents: no views, nothing of the server's own.
func reportTables(ctx context.Context, db *mongo.Database) ([]engine.ReportTable, error) {
	all, err := collections(ctx, db)
	if err != nil {
		return []engine.ReportTable{}, err
	}
	out := []engine.ReportTable{}
	for _, c := range all {
		if c.Type == "view" || strings.HasPrefix(c.Name, "system.") || strings.HasPrefix(c.Name, proofPrefix) {
			continue
		}
		bytes, err := bytesOf(ctx, db.Collection(c.Name))
		if err != nil && !hasCode(err, errNamespaceNotFound) { // dropped by now
			return out, err
		}
		out = append(out, engine.ReportTable{Name: c.Name, Bytes: bytes})
	}
	slices.SortFunc(out, func(a, b engine.ReportTable) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// bytesOf is the size of a collection and its indexes on disk.
func bytesOf(ctx context.Context, c *mongo.Collection) (int64, error) {
	cursor, err := c.Aggregate(ctx, mongo.Pipeline{{{Key: "$collStats", Value: bson.D{{Key: "storageStats", Value: bson.D{}}}}}})
	if err != nil {
		return 0, err
	}
	var stats []struct {
		Storage struct {
			Bytes int64 `bson:"totalSize"`
		} `bson:"storageStats"`
	}
	if err := cursor.All(ctx, &stats); err != nil || len(stats) == 0 {
		return 0, err
	}
	return stats[0].Storage.Bytes, nil
}

// countDocuments counts exactly. A collection that cannot be read stays without a count.
func countDocuments(ctx context.Context, c *mongo.Client, in []engine.ReportDatabase) error {
	type place struct {
		database string
		table    *engine.ReportTable
	}
	var all []place
	for i := range in {
		for j := range in[i].Tables {
			all = append(all, place{in[i].Name, &in[i].Tables[j]})
		}
	}
	slices.SortStableFunc(all, func(a, b place) int { return cmp.Compare(a.table.Bytes, b.table.Bytes) })
	for _, p := range all {
		n, err := c.Database(p.database).Collection(p.table.Name).CountDocuments(ctx, bson.D{})
		var refused mongo.ServerError
		switch {
		case err == nil:
			p.table.Rows = &n
		case timeOver(ctx, err) || !errors.As(err, &refused):
			return fmt.Errorf("count %s: %w", p.table.Name, err)
		}
	}
	return nil
}
