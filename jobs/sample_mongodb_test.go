package jobs_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine/mongodb"
)

// everyValue has each type of BSON, also those that no program writes any more. FerretDB, which stands in for MongoDB on machines
// without its image, takes only some.
var everyValue = []struct {
	name   string
	value  any
	ferret bool
}{
	{"double", 0.1 + 0.2, true},
	{"infinity", math.Inf(-1), false},
	{"not a number", math.NaN(), false},
	{"text", "tab\t 😀 'quote' \"double\" \u2028", true},
	{"empty", "", true},
	{"a zero inside", "a\x00b", true},
	{"document", bson.D{{Key: "b", Value: 1}, {Key: "a", Value: bson.D{{Key: "deep", Value: bson.A{1, bson.D{}, nil}}}}}, true},
	{"array", bson.A{"a", int32(1), nil, bson.D{{Key: "größe", Value: 1}, {Key: "mit Blank", Value: 2}}}, true},
	{"nested array", bson.A{bson.A{}}, false},
	{"dots and dollars", bson.D{{Key: "a.b", Value: 1}, {Key: "$c", Value: 2}}, false},
	{"every byte", bson.Binary{Data: everyByte()}, true},
	{"uuid", bson.Binary{Subtype: 4, Data: bytes.Repeat([]byte{7}, 16)}, true},
	{"custom", bson.Binary{Subtype: 0x80, Data: []byte{1}}, true},
	{"id", bson.ObjectID{1, 2, 3}, true},
	{"true", true, true},
	{"date", bson.DateTime(-62135596800000), true},
	{"null", nil, true},
	{"regular expression", bson.Regex{Pattern: "^a/b", Options: "i"}, true},
	{"int32", int32(math.MinInt32), true},
	{"int64", int64(math.MaxInt64), true},
	{"timestamp", bson.Timestamp{T: 1, I: 2}, true},
	{"large", strings.Repeat("0123456789", 100000), true},
	{"decimal", decimal("1.50E-10"), false},
	{"javascript", bson.JavaScript("function() { return 1 }"), false},
	{"javascript with scope", bson.CodeWithScope{Code: "x", Scope: bson.D{{Key: "x", Value: 1}}}, false},
	{"smallest", bson.MinKey{}, false},
	{"largest", bson.MaxKey{}, false},
	{"symbol", bson.Symbol("s"), false},
	{"undefined", bson.Undefined{}, false},
	{"pointer", bson.DBPointer{DB: "d.c", Pointer: bson.ObjectID{9}}, false},
}

func everyByte() (out []byte) {
	for b := range 256 {
		out = append(out, byte(b))
	}
	return out
}

func decimal(text string) bson.Decimal128 {
	d, err := bson.ParseDecimal128(text)
	if err != nil {
		panic(err)
	}
	return d
}

// mongo connects to a server of MongoDB.
func (s *site) mongo(i core.Instance, user, password string) *mongo.Client {
	s.t.Helper()
	client, err := mongo.Connect(options.Client().SetHosts([]string{net.JoinHostPort(*i.Host, strconv.Itoa(*i.Port))}).SetDirect(true).
		SetTLSConfig(anyCertificate).SetAuth(options.Credential{Username: user, Password: password, AuthSource: "admin"}))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = client.Disconnect(context.WithoutCancel(s.t.Context())) })
	return client
}

func isFerretDB(t *testing.T, c *mongo.Client) bool {
	t.Helper()
	answer, err := c.Database("admin").RunCommand(t.Context(), bson.D{{Key: "buildInfo", Value: 1}}).Raw()
	if err != nil {
		t.Fatal(err)
	}
	_, err = answer.LookupErr("ferretdbVersion")
	return err == nil
}

// fillMongoDB makes everything that the server has.
func (s *site) fillMongoDB(c *mongo.Client) {
	s.t.Helper()
	ctx, ferret := s.t.Context(), isFerretDB(s.t, c)
	must := func(what string, err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatalf("%s: %v", what, err)
		}
	}
	for _, v := range everyValue {
		if v.ferret || !ferret {
			_, err := c.Database("genomes").Collection("values").InsertOne(ctx, bson.D{{Key: "_id", Value: v.name}, {Key: "value", Value: v.value}})
			must(v.name, err)
		}
	}
	for _, key := range []any{int32(1), int64(1) << 40, 1.5, bson.ObjectID{5}, bson.D{{Key: "a", Value: 1}}, bson.DateTime(0), bson.Binary{Data: []byte{1}}, true} {
		_, err := c.Database("genomes").Collection("keys").InsertOne(ctx, bson.D{{Key: "_id", Value: key}})
		must(fmt.Sprintf("the key %v", key), err)
	}
	for _, name := range []string{"Sträuße und Blumen", "a.b", "mit 'quote'", "done dumping x (3 documents)", "emoji😀", "slash/x", "percent%20"} {
		_, err := c.Database("genomes").Collection(name).InsertMany(ctx, []any{bson.D{{Key: "größe", Value: 1}}, bson.D{{Key: "größe", Value: 2}}})
		must(name, err)
	}
	must("an empty collection", c.Database("genomes").CreateCollection(ctx, "empty"))
	must("a capped collection", c.Database("genomes").CreateCollection(ctx, "capped", options.CreateCollection().SetCapped(true).SetSizeInBytes(100000)))
	many := make([]any, 5000)
	for n := range many {
		many[n] = bson.D{{Key: "n", Value: n}, {Key: "text", Value: strings.Repeat("x", n%100)}}
	}
	for _, database := range []string{"genomes", "genomes_lab", "genomes-2"} {
		_, err := c.Database(database).Collection("many").InsertMany(ctx, many)
		must(database, err)
	}
	for _, m := range []mongo.IndexModel{
		{Keys: bson.D{{Key: "n", Value: 1}}, Options: options.Index().SetUnique(true)},
		{Keys: bson.D{{Key: "text", Value: -1}, {Key: "n", Value: 1}}, Options: options.Index().SetName("größen")},
	} {
		_, err := c.Database("genomes").Collection("many").Indexes().CreateOne(ctx, m)
		must("an index", err)
	}
	if ferret {
		return // it has neither views nor validators
	}
	must("a view", c.Database("genomes").CreateView(ctx, "view", "many", mongo.Pipeline{{{Key: "$match", Value: bson.D{{Key: "n", Value: 1}}}}}))
	must("a validator", c.Database("genomes").CreateCollection(ctx, "valid", options.CreateCollection().SetValidator(bson.D{{Key: "a", Value: bson.D{{Key: "$exists", Value: true}}}})))
}

// mongoFacts are all documents of all databases, byte by byte, and all indexes, in an order of their own.
func (s *site) mongoFacts(c *mongo.Client) (out []string) {
	s.t.Helper()
	ctx, ferret := s.t.Context(), isFerretDB(s.t, c)
	fail := func(err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	for _, database := range []string{"genomes", "genomes_lab", "genomes-2"} {
		specs, err := c.Database(database).ListCollectionSpecifications(ctx, bson.D{})
		fail(err)
		for _, spec := range specs {
			at := database + "." + spec.Name
			if strings.HasPrefix(spec.Name, "system.") {
				continue
			}
			cursor, err := c.Database(database).Collection(spec.Name).Find(ctx, bson.D{})
			fail(err)
			rows := 0
			for ; cursor.Next(ctx); rows++ {
				out = append(out, fmt.Sprintf("%s %x", at, []byte(cursor.Current)))
			}
			fail(cursor.Err())
			out = append(out, fmt.Sprintf("%s has %d, as %s %s", at, rows, spec.Type, spec.Options))
			if spec.Type == "view" || ferret { // which takes no index back from mongorestore, see docs/operator.md
				continue
			}
			indexes, err := c.Database(database).Collection(spec.Name).Indexes().List(ctx)
			fail(err)
			for indexes.Next(ctx) {
				out = append(out, fmt.Sprintf("%s index %s", at, indexes.Current))
			}
			fail(indexes.Err())
		}
	}
	slices.Sort(out)
	return out
}

// TestBackupOfMongoDB takes a rich server through a backup, its verification and a restore, in which every document is equal.
func TestBackupOfMongoDB(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	i, cred := s.madeOf("mongodb", "7")
	original := s.mongo(i, cred.Username, cred.Password)
	s.fillMongoDB(original)
	b, o := s.backup("genomes")
	if o.State != core.OperationDone {
		t.Fatalf("backup ended as %s: %+v %+v", o.State, o.Error, o.Steps)
	}
	b = s.verified(b.ID)
	if !b.Receipt.Proves() || b.Receipt.Tables != b.Contents.Tables || b.Contents.Rows < 15000 || b.Receipt.Checked != b.Contents.Tables {
		t.Errorf("receipt %+v of %+v", b.Receipt, b.Contents)
	}
	contents, facts := s.contents(i, mongodb.Engine{}), s.mongoFacts(original)
	copied, cred2 := s.restored("genomes-copy")
	equal(t, "contents", contents, s.contents(copied, mongodb.Engine{}))
	equal(t, "facts", facts, s.mongoFacts(s.mongo(copied, cred2.Username, cred2.Password)))
}
