package portal

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
)

// backed ends a backup under way as its worker would, with one table of seven rows.
func (st *site) backed(t *testing.T, operationID string) core.Backup {
	t.Helper()
	b, err := st.service.BackupOfOperation(t.Context(), operationID)
	if err != nil {
		t.Fatal(err)
	}
	made := &core.MadeBackup{
		ID: b.ID, Size: 2 << 20, SHA256: strings.Repeat("a", 64), Location: "file:///backups/" + b.ID,
		Text: []byte(`{"database": {"engine": "postgres", "version": "17", "size": "small", "username": "genomes", "database": "genomes"},
			"contents": {"exact": true, "server_version": "17.6", "databases": [{"name": "genomes", "tables": [{"schema": "public", "name": "t", "rows": 7}]}]}}`),
	}
	i := core.Instance{ID: b.InstanceID, Name: b.Database}
	if err := pgx.BeginFunc(t.Context(), st.pool, func(tx pgx.Tx) error { return st.service.FinishBackup(t.Context(), tx, operationID, i, made, nil) }); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBackupByForm backs up, keeps a backup and restores on the page, and looks at the history.
func TestBackupByForm(t *testing.T) {
	st := newSite(t)
	st.finish(t, st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres"}), nil)
	sam, eve := st.loggedIn(t, "sam"), st.loggedIn(t, "eve")
	if p := sam.get(t, "/databases/genomes"); !strings.Contains(p.text("#backups"), "There is no backup yet") {
		t.Errorf("the card: %s", p.text("#backups"))
	}
	if p := sam.post(t, "/databases/genomes/restore", nil); p.status != http.StatusNotFound || !strings.Contains(p.text("main"), "no backup that could be restored yet") {
		t.Errorf("restore of nothing: %d %s", p.status, p.text(".trouble"))
	}
	if p := sam.post(t, "/databases/genomes/backup", nil); p.status != http.StatusOK {
		t.Fatalf("back up: %d %s", p.status, p.text("main"))
	}
	i, err := st.service.Instance(t.Context(), st.people["sam"], "genomes")
	if err != nil {
		t.Fatal(err)
	}
	b := st.backed(t, *i.OperationID)
	p := sam.get(t, "/databases/genomes")
	if got := p.text("#backups tbody"); !strings.Contains(got, "done") || !strings.Contains(got, "1 tables, 7 rows") || !strings.Contains(got, "2 MiB") {
		t.Errorf("the card: %s", got)
	}
	if p = sam.post(t, "/databases/genomes/pin", url.Values{"backup": {b.ID}, "note": {"the paper"}}); !strings.Contains(p.text("#backups tbody"), "kept") {
		t.Errorf("kept: %d %s", p.status, p.text("#backups"))
	}
	if p = eve.post(t, "/databases/"+i.ID+"/restore", url.Values{"backup": {b.ID}}); p.status != http.StatusNotFound {
		t.Errorf("somebody else restores: %d", p.status)
	}
	if p = sam.post(t, "/databases/genomes/restore", url.Values{"backup": {b.ID}}); p.text("h1") == "" || !strings.Contains(p.text("h1"), "genomes-restored") {
		t.Errorf("restored: %d %s", p.status, p.text("h1"))
	}
	if p = sam.get(t, "/backups"); !strings.Contains(p.text("tbody"), "genomes") || !strings.Contains(p.text("tbody"), "1 tables, 7 rows") {
		t.Errorf("history: %s", p.text("main"))
	}
	if p = eve.get(t, "/backups"); !strings.Contains(p.text("main"), "There is none") {
		t.Errorf("somebody else's history: %s", p.text("main"))
	}
	if p = eve.get(t, "/backups?all=true"); p.status != http.StatusForbidden {
		t.Errorf("everybody's: %d", p.status)
	}
}

// TestBackupHistoryOverTheAPI gives the history as JSON and as a table.
func TestBackupHistoryOverTheAPI(t *testing.T) {
	st := newSite(t)
	st.finish(t, st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres"}), nil)
	sam := st.token(t, "sam", core.ScopeOperate)
	for range 3 {
		r := st.call(t, sam, "POST", "/databases/genomes/backups", nil)
		if r.status != http.StatusAccepted || r.at("backup", "state") != "running" {
			t.Fatalf("%d %s", r.status, r.raw)
		}
		st.backed(t, r.at("operation", "id").(string))
	}
	r := st.call(t, sam, "GET", "/databases/genomes/backups?limit=2", nil)
	if items := r.at("items").([]any); len(items) != 2 || r.at("next") == "" {
		t.Errorf("%s", r.raw)
	}
	if r = st.call(t, sam, "GET", "/backups?state=done", nil); len(r.at("items").([]any)) != 3 {
		t.Errorf("%s", r.raw)
	}
	if r = st.call(t, sam, "GET", "/backups?state=splendid", nil); r.status != http.StatusBadRequest {
		t.Errorf("%d %s", r.status, r.raw)
	}
	r = st.call(t, sam, "GET", "/backups?format=csv", nil)
	rows, err := csv.NewReader(strings.NewReader(r.raw)).ReadAll()
	if err != nil || len(rows) != 4 || rows[1][0] != "genomes" || rows[1][11] != "7" {
		t.Errorf("%v %q", err, rows)
	}
}

// TestRestoreInPlaceByForm needs the name, typed, and shows for how long it can be undone.
func TestRestoreInPlaceByForm(t *testing.T) {
	st := newSite(t)
	st.finish(t, st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres"}), nil)
	sam := st.loggedIn(t, "sam")
	sam.post(t, "/databases/genomes/backup", nil)
	i, err := st.service.Instance(t.Context(), st.people["sam"], "genomes")
	if err != nil {
		t.Fatal(err)
	}
	b := st.backed(t, *i.OperationID)
	if p := sam.get(t, "/databases/genomes"); !strings.Contains(p.text("#inplace"), "for 7 days") || p.Find("#inplace option").Length() != 1 || p.Find("#undo").Length() != 0 {
		t.Errorf("the form: %s", p.text("#inplace"))
	}
	form := url.Values{"backup": {b.ID}, "in_place": {"yes"}, "confirm": {"genome"}}
	if p := sam.post(t, "/databases/genomes/restore", form); p.status != http.StatusBadRequest || !strings.Contains(p.text(".trouble"), "type its name") {
		t.Errorf("a wrong confirmation: %d %s", p.status, p.text(".trouble"))
	}
	if p := sam.post(t, "/databases/genomes/undo", nil); p.status != http.StatusGone || !strings.Contains(p.text(".trouble"), "nothing to undo") {
		t.Errorf("undo of nothing: %d %s", p.status, p.text(".trouble"))
	}
	form.Set("confirm", "genomes")
	if p := sam.post(t, "/databases/genomes/restore", form); p.status != http.StatusOK || !strings.Contains(p.text("h1"), "being restored") || !strings.Contains(p.text("main"), "Working: restore in place") {
		t.Errorf("restored: %d %s", p.status, p.text("main"))
	}
	token := st.token(t, "sam", core.ScopeOperate)
	if r := st.call(t, token, "POST", "/databases/genomes/undo", nil); r.status != http.StatusConflict {
		t.Errorf("undo meanwhile: %d %s", r.status, r.raw)
	}
	st.exchanged(t, i)
	if p := sam.get(t, "/databases/genomes"); !strings.Contains(p.text("#undo"), "is kept until") {
		t.Errorf("after it: %s", p.text("main"))
	}
	if r := st.call(t, token, "GET", "/databases/genomes", nil); r.at("undo_until") == nil {
		t.Errorf("%s", r.raw)
	}
	if p := sam.post(t, "/databases/genomes/undo", nil); p.status != http.StatusOK || !strings.Contains(p.text("main"), "Working: undo") {
		t.Errorf("undo: %d %s", p.status, p.text("main"))
	}
}

// exchanged ends a restore in place under way as its workers would.
func (st *site) exchanged(t *testing.T, i core.Instance) {
	t.Helper()
	now, err := st.service.Instance(t.Context(), st.people["sam"], i.ID)
	if err != nil {
		t.Fatal(err)
	}
	op := *now.OperationID
	err = pgx.BeginFunc(t.Context(), st.pool, func(tx pgx.Tx) error {
		return st.service.HandOver(t.Context(), tx, op, core.Filled{Receipt: &core.BackupReceipt{OK: true}})
	})
	var args core.InPlaceArgs
	if err == nil {
		err = st.service.Args(t.Context(), op, &args)
	}
	if err == nil {
		err = pgx.BeginFunc(t.Context(), st.pool, func(tx pgx.Tx) error { return st.service.FinishInPlace(t.Context(), tx, op, i, args, nil) })
	}
	if err != nil {
		t.Fatal(err)
	}
}
