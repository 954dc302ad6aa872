package mongodb

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/mydb-project/mydb/core/engine"
)

// Sample implements engine.Engine. MongoDB keeps no record of logins: LastLogin is the moment of the sample when somebody is
// connected, and nil otherwise. On the stand-in, which does not show its connections, there seem to be none.
func (Engine) Sample(ctx context.Context, s engine.Server, adminPassword string) (engine.Sample, error) {
	out := engine.Sample{At: time.Now().UTC()}
	err := asAdmin(ctx, s, adminPassword, func(ctx context.Context, c *mongo.Client) error {
		if err := status(ctx, c, &out); err != nil {
			return err
		}
		ferret, err := isFerretDB(ctx, c)
		if err != nil || ferret {
			return err
		}
		return sessions(ctx, c, &out)
	})
	if err != nil {
		return engine.Sample{}, fmt.Errorf("sample: %w", err)
	}
	if out.Connections > 0 {
		out.LastLogin = &out.At
	}
	return out, nil
}

// status reads what the server counts by itself.
func status(ctx context.Context, c *mongo.Client, out *engine.Sample) error {
	var server struct {
		Uptime      int64 `bson:"uptimeMillis"`
		Connections struct {
			Current   int `bson:"current"`
			Available int `bson:"available"`
		} `bson:"connections"`
	}
	// What is left out costs the server the most.
	command := bson.D{{Key: "serverStatus", Value: 1}, {Key: "repl", Value: 0}, {Key: "metrics", Value: 0}, {Key: "locks", Value: 0}}
	if err := c.Database(adminDB).RunCommand(ctx, command).Decode(&server); err != nil {
		return err
	}
	out.UpSince = out.At.Add(-time.Duration(max(server.Uptime, 1)) * time.Millisecond)
	out.MaxConnections = server.Connections.Current + server.Connections.Available
	databases, err := c.ListDatabases(ctx, bson.D{})
	out.Bytes = databases.TotalSize
	return err
}

// sessions counts the connections of people and programs, without MyDB's own, and finds the longest query. Drivers let the server
// wait with its answer to hello: that is no query.
func sessions(ctx context.Context, c *mongo.Client, out *engine.Sample) error {
	waiting := bson.D{{Key: "$or", Value: bson.A{
		bson.D{{Key: "$ne", Value: bson.A{bson.D{{Key: "$type", Value: "$command.hello"}}, "missing"}}},
		bson.D{{Key: "$ne", Value: bson.A{bson.D{{Key: "$type", Value: "$command.isMaster"}}, "missing"}}},
		bson.D{{Key: "$ne", Value: bson.A{bson.D{{Key: "$type", Value: "$command.ismaster"}}, "missing"}}},
		bson.D{{Key: "$ne", Value: bson.A{"$active", true}}},
	}}}
	cursor, err := c.Database(adminDB).Aggregate(ctx, mongo.Pipeline{
		{{Key: "$currentOp", Value: bson.D{{Key: "allUsers", Value: true}, {Key: "idleConnections", Value: true}}}},
		{{Key: "$match", Value: bson.D{
			{Key: "client", Value: bson.D{{Key: "$exists", Value: true}}}, // what the server does by itself has none
			{Key: "appName", Value: bson.D{{Key: "$ne", Value: appName}}},
			{Key: "effectiveUsers.user", Value: bson.D{{Key: "$nin", Value: bson.A{AdminUser, ProbeUser, BackupUser}}}},
		}}},
		{{Key: "$group", Value: bson.D{
			{Key: "_id", Value: nil},
			{Key: "connections", Value: bson.D{{Key: "$sum", Value: 1}}},
			{Key: "longest", Value: bson.D{{Key: "$max", Value: bson.D{{Key: "$cond", Value: bson.A{waiting, 0, "$microsecs_running"}}}}}},
		}}},
	})
	if err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	var found []struct {
		Connections int   `bson:"connections"`
		Longest     int64 `bson:"longest"`
	}
	if err := cursor.All(ctx, &found); err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	for _, f := range found { // one, or none when nobody is there
		out.Connections, out.LongestQuery = f.Connections, time.Duration(f.Longest)*time.Microsecond
	}
	return nil
}
