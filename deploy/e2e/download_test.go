package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// commands gives the block of commands of docs/user.md that begins with a line.
func commands(t *testing.T, begins string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/user.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```bash\n"+begins)
	block, _, closed := strings.Cut(rest, "```\n")
	if !found || !closed {
		t.Fatalf("docs/user.md has no commands that begin with %q", begins)
	}
	return begins + block
}

// own is a server of somebody's own, of the same image as the database that was backed up.
type own struct {
	title, image string
	settings     []string // environment of the server
	login        []string // environment of the tools
	alive, ask   string
	want         string
	sample       string // an init script
}

var owns = map[string]own{
	"postgres": {
		title: "# PostgreSQL", settings: []string{"POSTGRES_PASSWORD=rescue"}, alive: "pg_isready --quiet --host 127.0.0.1",
		sample: `create table genes (id int primary key, "größe" text); insert into genes select i, repeat('x', 1000) from generate_series(1, 20000) i`,
		ask:    `psql --username postgres --dbname genomes -At -c 'select count(*), tableowner from genes, pg_tables where tablename = $$genes$$ group by 2'`, want: "20000|genomes",
	},
	"mariadb": {
		title: "# MariaDB", settings: []string{"MARIADB_ROOT_PASSWORD=rescue"}, login: []string{"MYSQL_PWD=rescue"}, alive: "mariadb --host=127.0.0.1 --user=root --execute='do 0'",
		sample: "create table genes (id int primary key, name text); insert into genes select seq, repeat('x', 1000) from seq_1_to_20000",
		ask:    `mariadb --user root --batch --skip-column-names --execute="select count(*), (select count(*) from mysql.user where user = 'genomes') from genomes.genes"`, want: "20000\t1",
	},
	"mongodb": {
		title: "# MongoDB", settings: []string{"MONGO_INITDB_ROOT_USERNAME=root", "MONGO_INITDB_ROOT_PASSWORD=rescue"},
		login: []string{"MONGO=mongodb://root:rescue@127.0.0.1:27017/?authSource=admin"}, alive: `mongodump --uri="$MONGO" --db=admin --archive=/dev/null`,
		ask: `mongodump --uri="$MONGO" --db=genomes --archive=/dev/null 2>&1 | grep --only-matching '([0-9]* documents)'`, want: "(500 documents)",
	},
}

// TestDownloadAndLoad takes a backup away over a link and loads it into a server of one's own, with the very commands of docs/user.md.
func TestDownloadAndLoad(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl: install it")
	}
	for engine, o := range owns {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.start()
			if !gjson.Get(s.catalogue(), fmt.Sprintf(`engines.#(engine==%q)`, engine)).Exists() {
				t.Skipf("this machine has no image for %s: run `make test`", engine)
			}
			d := s.filled(engine, o)
			id := s.backedUp(d)
			folder := t.TempDir()
			s.fetch(folder, s.linkTo(d, id), commands(t, "curl "))
			unpacked := filepath.Join(folder, "genomes-"+id)
			manifest, err := os.ReadFile(filepath.Join(unpacked, "manifest.json"))
			if err != nil {
				t.Fatal(err)
			}
			o.image = gjson.GetBytes(manifest, "database.image").String()
			if got := s.load(o, unpacked, commands(t, o.title)); got != o.want {
				t.Errorf("the server of one's own has %q, want %q", got, o.want)
			}
		})
	}
}

func (s *site) catalogue() string {
	s.t.Helper()
	status, answer := s.scientist(http.MethodGet, "/catalogue", "")
	if status != http.StatusOK {
		s.t.Fatalf("catalogue: %d %s", status, answer)
	}
	return answer
}

// filled makes a database with data in it.
func (s *site) filled(engine string, o own) database {
	s.t.Helper()
	body, err := json.Marshal(map[string]string{"engine": engine, "name": "genomes", "init_sql": o.sample})
	if err != nil {
		s.t.Fatal(err)
	}
	status, answer := s.scientist(http.MethodPost, "/databases", string(body))
	var receipt struct {
		Database  database
		Operation operation
	}
	if err := json.Unmarshal([]byte(answer), &receipt); status != http.StatusAccepted || err != nil {
		s.t.Fatalf("create: %d %v %s", status, err, answer)
	}
	d := s.awaitReady(receipt.Database, receipt.Operation)
	if engine == "mongodb" {
		s.fillMongo(d)
	}
	return d
}

// fillMongo writes documents, as there are no init scripts for MongoDB.
func (s *site) fillMongo(d database) {
	s.t.Helper()
	status, answer := s.scientist(http.MethodGet, "/databases/"+d.ID+"/credentials", "")
	if status != http.StatusOK {
		s.t.Fatalf("credentials: %d", status)
	}
	_, ca := s.get("/ca.crt")
	file := filepath.Join(s.stateDir, "ca.crt")
	if err := os.WriteFile(file, []byte(ca), 0o600); err != nil {
		s.t.Fatal(err)
	}
	address := fmt.Sprintf("mongodb://%s:%s@%s:%d/%s?authSource=admin&tls=true&tlsCAFile=%s&directConnection=true&authMechanism=SCRAM-SHA-256",
		d.Username, gjson.Get(answer, "password").String(), d.Host, d.Port, d.Database, file)
	client, err := mongo.Connect(options.Client().ApplyURI(address))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Disconnect(context.WithoutCancel(s.t.Context()))
	var documents []any
	for n := range 500 {
		documents = append(documents, bson.D{{Key: "n", Value: n}, {Key: "name", Value: strings.Repeat("x", 1000)}})
	}
	if _, err := client.Database(d.Database).Collection("genes").InsertMany(s.t.Context(), documents); err != nil {
		s.t.Fatal(err)
	}
}

// backedUp makes a backup, and gives its id when it is done.
func (s *site) backedUp(d database) string {
	s.t.Helper()
	status, answer := s.scientist(http.MethodPost, "/databases/"+d.ID+"/backups", "")
	if status != http.StatusAccepted {
		s.t.Fatalf("back up: %d %s", status, answer)
	}
	var o operation
	s.poll(createLimit, "the backup has ended", func() bool {
		o = s.operation(gjson.Get(answer, "operation.id").String())
		return o.State != "queued" && o.State != "running"
	})
	if o.State != "done" {
		s.t.Fatalf("the backup ended as %+v", o)
	}
	return gjson.Get(answer, "backup.id").String()
}

// linkTo asks for a link to a backup.
func (s *site) linkTo(d database, backup string) string {
	s.t.Helper()
	status, answer := s.scientist(http.MethodPost, "/databases/"+d.ID+"/backups/"+backup+"/download", `{"reason":"to the archive"}`)
	link := gjson.Get(answer, "link.url").String()
	if status != http.StatusCreated || link == "" {
		s.t.Fatalf("download: %d %s", status, answer)
	}
	return link
}

// fetch runs the commands that download.
func (s *site) fetch(folder, link, commands string) {
	s.t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", commands)
	cmd.Dir = folder
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "MYDB_TOKEN=" + s.token(), "LINK=" + link}
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("download: %v\n%s", err, out)
	}
}

// load runs the commands that load a backup on a server of one's own, and gives what is there then.
func (s *site) load(o own, folder, commands string) string {
	s.t.Helper()
	name := "mydb-own-" + filepath.Base(folder)
	s.t.Cleanup(func() { _ = exec.Command("docker", "rm", "--force", "--volumes", name).Run() })
	start := []string{"run", "--detach", "--name", name, "--volume", folder + ":/backup:ro", "--workdir", "/backup"}
	for _, setting := range o.settings {
		start = append(start, "--env", setting)
	}
	if out, err := exec.Command("docker", append(start, o.image)...).CombinedOutput(); err != nil {
		s.t.Fatalf("start a server of %s: %v\n%s", o.image, err, out)
	}
	inside := func(commands string) (string, error) {
		args := []string{"exec", "--workdir", "/backup"}
		for _, setting := range o.login {
			args = append(args, "--env", setting)
		}
		out, err := exec.Command("docker", append(args, name, "bash", "-euo", "pipefail", "-c", commands)...).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	s.poll(createLimit, "the server of one's own answers", func() bool { _, err := inside(o.alive); return err == nil })
	if out, err := inside(commands); err != nil {
		s.t.Fatalf("load: %v\n%s", err, out)
	}
	out, err := inside(o.ask)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", o.ask, err, out)
	}
	return out
}
