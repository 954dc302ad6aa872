package jobs_test

import (
	"database/sql"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine/mariadb"
)

// inMariaDBAs runs scripts on a server of MariaDB.
func (s *site) inMariaDBAs(i core.Instance, user, password, database string) *sql.DB {
	s.t.Helper()
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(*i.Host, strconv.Itoa(*i.Port))
	cfg.User, cfg.Passwd, cfg.DBName, cfg.TLS, cfg.MultiStatements, cfg.Logger = user, password, database, anyCertificate, true, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1) // what a script sets is for all of it
	s.t.Cleanup(func() { db.Close() })
	return db
}

func (s *site) script(db *sql.DB, text string) {
	s.t.Helper()
	if _, err := db.ExecContext(s.t.Context(), text); err != nil {
		s.t.Fatal(err)
	}
}

// fillMariaDB makes everything that MariaDB has.
func (s *site) fillMariaDB(i core.Instance, cred core.Credentials) {
	s.t.Helper()
	s.script(s.inMariaDBAs(i, cred.Username, cred.Password, i.Database), sampleFile(s.t, "mariadb.sql"))
	_, secrets := s.access(i)
	s.script(s.inMariaDBAs(i, mariadb.AdminUser, secrets.Admin, "mysql"), sampleFile(s.t, "mariadb_accounts.sql"))
}

// mariadbFacts describe a server of MariaDB, line by line.
func (s *site) mariadbFacts(i core.Instance) (out []string) {
	s.t.Helper()
	_, secrets := s.access(i)
	rows, err := s.inMariaDBAs(i, mariadb.AdminUser, secrets.Admin, "mysql").QueryContext(s.t.Context(), sampleFile(s.t, "mariadb_facts.sql"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	for more := true; more; more = rows.NextResultSet() {
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				s.t.Fatal(err)
			}
			out = append(out, line)
		}
	}
	if err := rows.Err(); err != nil || len(out) == 0 {
		s.t.Fatalf("%d facts, %v", len(out), err)
	}
	return out
}

// TestBackupOfMariaDB takes a rich server of each version through a backup, its verification and a restore, in which everything is equal:
// each row, and all that is in the catalogues.
func TestBackupOfMariaDB(t *testing.T) {
	for _, version := range []string{"11.8", "10.11"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			i, cred := s.madeOf("mariadb", version)
			s.fillMariaDB(i, cred)
			b, o := s.backup("genomes")
			if o.State != core.OperationDone {
				t.Fatalf("backup ended as %s: %+v %+v", o.State, o.Error, o.Steps)
			}
			b = s.verified(b.ID)
			if !b.Receipt.Proves() || b.Receipt.Tables != b.Contents.Tables || b.Receipt.Checked != b.Contents.Tables {
				t.Errorf("receipt %+v of %d tables", b.Receipt, b.Contents.Tables)
			}
			original, facts := s.contents(i, mariadb.Engine{}), s.mariadbFacts(i)
			copied, cred2 := s.restored("genomes-copy")
			equal(t, "contents", original, s.contents(copied, mariadb.Engine{}))
			equal(t, "facts", facts, s.mariadbFacts(copied))
			s.script(s.inMariaDBAs(copied, cred2.Username, cred2.Password, "genomes"), "insert into genes (name, length) values ('new', 1)")
			if version == "10.11" {
				s.restoredLater(facts)
			}
		})
	}
}

// restoredLater restores a backup into a later version, for which the end of what still counts is another time: the history of rows is
// as it was.
func (s *site) restoredLater(facts []string) {
	s.t.Helper()
	if o := s.do(core.Restore{On: core.On{Database: "genomes"}, As: "newer", Version: "11.8"}); o.State != core.OperationDone {
		s.t.Fatalf("restore into 11.8 ended as %s: %+v %+v", o.State, o.Error, o.Steps)
	}
	histories := func(lines []string) (out []string) {
		for _, line := range lines {
			if strings.HasPrefix(line, "history ") {
				out = append(out, strings.ReplaceAll(line, "2038-01-19 03:14:07.999999", "2106-02-07 06:28:15.999999"))
			}
		}
		return out
	}
	newer := s.instance("newer")
	equal(s.t, "history", histories(facts), histories(s.mariadbFacts(newer)))
	cred := s.collect("newer")
	var n int
	err := s.inMariaDBAs(newer, cred.Username, cred.Password, "genomes").QueryRowContext(s.t.Context(), "select count(*) from versions where t = 'third'").Scan(&n)
	if err != nil || n != 1 {
		s.t.Errorf("%d rows are of now, %v; want 1", n, err)
	}
}

// madeOf creates a database of an engine's version, if this machine has an image of it, and a worker for it.
func (s *site) madeOf(engine, version string) (core.Instance, core.Credentials) {
	s.t.Helper()
	offer, _ := s.service.Catalogue().Offer(engine)
	if !strings.Contains(" "+strings.Join(offer.Offered(), " ")+" ", " "+version+" ") {
		s.t.Skipf("this machine has no image of %s %s", engine, version)
	}
	s.worker("")
	r := s.create(core.Create{Engine: engine, Version: version})
	if o := s.await(r.Operation.ID); o.State != core.OperationDone {
		s.t.Fatalf("create ended as %+v: %+v", o, o.Error)
	}
	return s.instance("genomes"), s.collect("genomes")
}
