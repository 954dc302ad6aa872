package mongodb_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
	"github.com/mydb-project/mydb/core/engine/mongodb"
)

// images are those to test; MYDB_TEST_MONGO_IMAGE names others, such as mongo:8.
func images(t *testing.T) []string {
	t.Helper()
	return enginetest.Images(t, "MYDB_TEST_MONGO_IMAGE", "mongo:8", "mongo:7", "mongo:6", "mydb-dev/mongo:7")
}

func TestConformance(t *testing.T) {
	enginetest.Run(t, enginetest.Case{
		Engine:  mongodb.Engine{},
		Images:  images(t),
		StandIn: mongodb.Engine{}.StandInLacks,
		Dial: func(ctx context.Context, s engine.Server, user, password, database string) (enginetest.Client, error) {
			return dial(ctx, s, user, password, database)
		},
		// Commands are in MongoDB's JSON. Where one is for another database than the client's, "database" says so.
		Words: enginetest.Words{
			CreateTable: func(table string) string { return fmt.Sprintf(`{"create": %q}`, table) },
			Insert: func(table string) string {
				return fmt.Sprintf(`{"insert": %q, "documents": [{"_id": {"$oid": %q}}]}`, table, bson.NewObjectID().Hex())
			},
			CreateView: func(view, table string) string {
				return fmt.Sprintf(`{"create": %q, "viewOn": %q, "pipeline": []}`, view, table)
			},
			DropTable:    func(table string) string { return fmt.Sprintf(`{"drop": %q}`, table) },
			DropDatabase: func(database string) string { return fmt.Sprintf(`{"dropDatabase": 1, "database": %q}`, database) },
			Forbidden: []string{
				`{"createUser": "eve", "pwd": "a long password", "roles": [], "database": "admin"}`,
				`{"createUser": "eve", "pwd": "a long password", "roles": [{"role": "root", "db": "admin"}]}`,
				`{"grantRolesToUser": "ada", "roles": ["root"], "database": "admin"}`,
				`{"updateUser": "mydb_admin", "pwd": "a long password", "database": "admin"}`,
				`{"dropUser": "mydb_probe", "database": "admin"}`,
				`{"usersInfo": {"user": "mydb_admin", "db": "admin"}, "showCredentials": true, "database": "admin"}`,
				`{"find": "system.users", "database": "admin"}`,
				`{"find": "oplog.rs", "database": "local"}`,
				`{"insert": "strangers", "documents": [{"x": 1}], "database": "strangers"}`,
				`{"shutdown": 1, "database": "admin"}`,
				`{"fsync": 1, "lock": true, "database": "admin"}`,
				`{"setParameter": 1, "quiet": false, "database": "admin"}`,
				`{"replSetStepDown": 1, "database": "admin"}`,
				`{"replSetGetConfig": 1, "database": "admin"}`,
				`{"getCmdLineOpts": 1, "database": "admin"}`,
				`{"killAllSessions": [], "database": "admin"}`,
			},
			Strangers: []string{"root", "admin", "__system", mongodb.AdminUser},
		},
	})
}

// client is a session of anybody.
type client struct {
	*mongo.Client
	database string
}

// dial logs in, or asks for what needs no login but should, when there is no user.
func dial(ctx context.Context, s engine.Server, user, password, database string, edit ...func(*options.ClientOptions)) (*client, error) {
	if database == "" {
		database = "test"
	}
	o := options.Client().SetHosts([]string{net.JoinHostPort(s.Host, strconv.Itoa(s.Port))}).SetDirect(true).
		SetTLSConfig(&tls.Config{RootCAs: s.CA, ServerName: s.Host}).SetServerSelectionTimeout(2 * time.Second)
	if user != "" && password != "" { // the driver refuses to send an empty one
		o.SetAuth(options.Credential{Username: user, Password: password, AuthSource: "admin"})
	}
	for _, e := range edit {
		e(o)
	}
	c, err := mongo.Connect(o)
	if err != nil {
		return nil, err
	}
	out := &client{Client: c, database: database}
	if _, err := out.ListDatabaseNames(ctx, bson.D{}); err != nil {
		out.Close()
		return nil, err
	}
	return out, nil
}

func (c *client) Exec(ctx context.Context, command string) error {
	var all, words bson.D
	if err := bson.UnmarshalExtJSON([]byte(command), false, &all); err != nil {
		return err
	}
	database := c.database
	for _, e := range all {
		if e.Key == "database" {
			database = e.Value.(string)
			continue
		}
		words = append(words, e)
	}
	var answer struct {
		WriteErrors []struct {
			Message string `bson:"errmsg"`
		} `bson:"writeErrors"`
	}
	if err := c.Database(database).RunCommand(ctx, words).Decode(&answer); err != nil {
		return err
	}
	for _, e := range answer.WriteErrors {
		return errors.New(e.Message)
	}
	return nil
}

func (c *client) Count(ctx context.Context, table string) (int64, error) {
	return c.Database(c.database).Collection(table).CountDocuments(ctx, bson.D{})
}

func (c *client) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Disconnect(ctx)
}
