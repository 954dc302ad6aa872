package main

import (
	"context"
	"crypto/tls"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	mongooptions "go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/mariadb"
	"github.com/mydb-project/mydb/core/engine/mongodb"
	"github.com/mydb-project/mydb/core/engine/postgres"
)

// dataOf is an engine with the data that its backups are measured with: rows such as a laboratory has, with numbers that do not compress
// and names that do.
type dataOf struct {
	engine engine.Engine
	size   float64 // GB, of which fill makes as many as it is told
	fill   func(ctx context.Context, s engine.Server, admin, database string, gigabytes float64) error
}

var measuredData = []dataOf{
	{postgres.Engine{}, 1, fillPostgres},
	{mariadb.Engine{}, 0.5, fillMariaDB},
	{mongodb.Engine{}, 0.2, fillMongoDB},
}

// measured is the data of the engines that were asked for.
func (l *lab) measured() (out []dataOf) {
	for _, d := range measuredData {
		if l.engine == "" || l.engine == d.engine.Name() {
			out = append(out, d)
		}
	}
	return out
}

// tables is on how many tables the data is spread, so that a tool that can do several at once has some.
const tables = 4

func address(s engine.Server) string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// fillPostgres adds to what is there already, so that one database can be measured in several sizes.
func fillPostgres(ctx context.Context, s engine.Server, admin, database string, gigabytes float64) error {
	conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=require", postgres.AdminUser, admin, address(s), database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	const rows = 6500000 // of a gigabyte
	for n := range tables {
		name := "variants_" + strconv.Itoa(n+1)
		_, err := conn.Exec(ctx, `create table if not exists `+name+` (id bigint generated always as identity primary key, sample text, gene text, score float8, quality float8, chromosome text, study text)`)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, `insert into `+name+` (sample, gene, score, quality, chromosome, study) select md5(i::text), 'ENSG' || lpad((i % 20000)::text, 11, '0'),
			random(), random() * 1000, 'chr' || i % 23, md5((i / 50)::text) from generate_series(1, $1::int) i`, int(rows*gigabytes/tables))
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "create index if not exists "+name+"_gene on "+name+" (gene)"); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, "checkpoint") // or it is measured, too
	return err
}

func fillMariaDB(ctx context.Context, s engine.Server, admin, database string, gigabytes float64) error {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.User, cfg.Passwd, cfg.DBName = "tcp", address(s), mariadb.AdminUser, admin, database
	cfg.TLS = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // what is measured is not who vouches for the server
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	const rows = 6400000 // of a gigabyte
	for n := range tables {
		_, err = db.ExecContext(ctx, fmt.Sprintf(`create table variants_%d (id int primary key) select seq as id, md5(seq) as sample, concat('ENSG', lpad(seq %% 20000, 11, '0')) as gene,
			rand() as score, rand() * 1000 as quality, concat('chr', seq %% 23) as chromosome, md5(seq div 50) as study from seq_1_to_%d`, n+1, int(rows*gigabytes/tables)))
		if err != nil {
			return err
		}
	}
	return nil
}

func fillMongoDB(ctx context.Context, s engine.Server, admin, database string, gigabytes float64) error {
	client, err := mongo.Connect(mongooptions.Client().SetHosts([]string{address(s)}).SetDirect(true).
		SetAuth(mongooptions.Credential{AuthMechanism: "SCRAM-SHA-256", AuthSource: "admin", Username: mongodb.AdminUser, Password: admin}).
		SetTLSConfig(&tls.Config{InsecureSkipVerify: true})) //nolint:gosec // as above
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	const rows, batch = 4400000, 1000 // of a gigabyte; at once
	for n := range tables {
		collection := client.Database(database).Collection("variants_" + strconv.Itoa(n+1))
		for i := 0; i < int(rows*gigabytes/tables); i += batch {
			documents := make([]any, batch)
			for k := range documents {
				documents[k] = variant(i + k)
			}
			if _, err := collection.InsertMany(ctx, documents); err != nil {
				return err
			}
		}
	}
	return nil
}

func variant(i int) bson.D {
	return bson.D{
		{Key: "_id", Value: i},
		{Key: "sample", Value: fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())}, //nolint:gosec // no secrets
		{Key: "gene", Value: fmt.Sprintf("ENSG%011d", i%20000)},
		{Key: "score", Value: rand.Float64()},          //nolint:gosec // as above
		{Key: "quality", Value: rand.Float64() * 1000}, //nolint:gosec // as above
		{Key: "chromosome", Value: "chr" + strconv.Itoa(i%23)},
		{Key: "study", Value: fmt.Sprintf("%032x", i/50)},
	}
}
