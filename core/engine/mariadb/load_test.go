package mariadb_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
	"github.com/mydb-project/mydb/core/engine/mariadb"
)

// TestLoad runs dumps as the tenant, in the tenant's database: what a tenant may not do, no dump may, and nothing of the client
// program's own is ever done.
func TestLoad(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := enginetest.NewBox(t, mariadb.Engine{}, image)
		b.Start()
		e, tenant := mariadb.Engine{}, enginetest.Tenant("ada")
		load := func(sql string) ([]string, error) {
			t.Helper()
			must(t, errors.Join(e.Clear(t.Context(), b.Server, b.Secrets), e.Provision(t.Context(), b.Server, b.Secrets.Admin, tenant)))
			brought, err := e.Load(t.Context(), engine.FormatSQL, strings.NewReader(sql), engine.Target{Server: b.Server, Secrets: b.Secrets, Tenant: tenant}, nil)
			return brought.LeftOut, err
		}
		for sql, want := range map[string]string{
			"select 1;\n\\! touch /tmp/x\n":                                                `Line 2 of the dump holds \!`,
			"system touch /tmp/x\n":                                                        "holds system",
			"insert into mysql.global_priv values ('%', 'evil', '{}');":                    "denied",
			"create table other.t (a int);":                                                "denied",
			"create table t (a text);\nload data local infile '/etc/passwd' into table t;": "Line 2 of the dump asks for a file by LOAD DATA LOCAL",
			"create table t (a text);\nload data infile '/etc/passwd' into table t;":       "denied",
			"select 1 into outfile '/tmp/x';":                                              "denied",
			"install soname 'x';":                                                          "denied",
			"set global max_connections = 1;":                                              "denied",
			"CREATE DATABASE `a`;\nUSE `a`;\ncreate table t (a int);\nUSE `b`;":            "holds several databases, such as a and b (line 4)",
			"create table t (a int);\ncreate table t (a int);":                             "up to line 2: Table 't' already exists",
			"create table t (a int);\ninsert into t values (1), (2":                        "The dump breaks off",
			"-- MariaDB dump 10.19-99.1.2-MariaDB\n-- Server version\t99.1.2-MariaDB\ncreate table t (a text collate utf8mb4_later_ci);": "The dump is of MariaDB 99.1, which is later than",
			"/*!40101 SET NAMES gbk */;":                                    "cannot be read safely",
			"insert into t values ('" + strings.Repeat("x", 65<<20) + "');": "which the server does not take",
			"create table t (a int);\nDELIMITER ;;\ncreate trigger x before insert on t for each row begin set new.a = 1; end ;\n": "The dump breaks off",
		} {
			_, err := load(sql)
			var refused *engine.RefusedError
			if !errors.As(err, &refused) || !strings.Contains(refused.Message, want) {
				t.Errorf("%.200s: %.300v, want %q", sql, err, want)
			}
		}
		leftOut, err := load("\xef\xbb\xbfCREATE DATABASE /*!32312 IF NOT EXISTS*/ `lab`;\nUSE `lab`;\nset autocommit = 0;\ncreate table t (a text);\ngrant all on lab.* to 'x'@'%';\n" +
			"SET @@SESSION.SQL_LOG_BIN= 0;\nCREATE DEFINER=`root`@`localhost` VIEW v AS select * from t;\nDELIMITER ;;\n" +
			"/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER noted BEFORE INSERT ON t FOR EACH ROW BEGIN SET @x = 1; SET @y = 2; END */;;\nDELIMITER ;\n" +
			"SET SESSION SQL_MODE='NO_BACKSLASH_ESCAPES';\ninsert into t values ('a\\');\nSET SESSION SQL_MODE='';\ninsert into t values ('b\\';');\n")
		must(t, err)
		if want := []string{"accounts and grants (1)", "definers (2)", "names of databases (2)", "settings of a replica (1)"}; !slices.Equal(leftOut, want) {
			t.Errorf("left out: %v; want %v", leftOut, want)
		}
		c := log(t, b, tenant.Username, tenant.Password, tenant.Database)
		if got := words(t, c, "select a from v order by a"); !slices.Equal(got, []string{`a\`, "b';"}) {
			t.Errorf("rows %q", got)
		}
	})
}
