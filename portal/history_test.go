package portal

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
)

// lived is a site where a backup of sam's was made, verified and restored, and another one failed.
func lived(t *testing.T) (*site, core.Backup) {
	t.Helper()
	st := newSite(t)
	b := st.withBackup(t, core.Create{}, smallParts...)
	st.end(t, "verify", &core.BackupReceipt{OK: true, Tables: 3, Rows: 12}, nil)
	if _, err := st.service.Do(t.Context(), core.Request{Actor: st.people["sam"], Door: core.DoorPortal, Command: core.Restore{On: core.On{Database: "genomes"}}}); err != nil {
		t.Fatal(err)
	}
	st.end(t, "restore", nil, &core.Explanation{Code: core.CodeUnavailable, Message: "=HYPERLINK(\"the store was away\")"})
	r, err := st.service.Do(t.Context(), core.Request{Actor: st.people["sam"], Door: core.DoorAPI, Command: core.MakeBackup{On: core.On{Database: "genomes"}}})
	if err != nil {
		t.Fatal(err)
	}
	failure := &core.Explanation{Code: core.CodeUnavailable, Message: "pg_dump ended with exit code 1."}
	if err := pgx.BeginFunc(t.Context(), st.pool, func(tx pgx.Tx) error {
		return st.service.FinishBackup(t.Context(), tx, r.Operation.ID, r.Database, nil, failure)
	}); err != nil {
		t.Fatal(err)
	}
	return st, b
}

// end ends the operation of a kind that is under way, as its worker would.
func (st *site) end(t *testing.T, kind string, receipt *core.BackupReceipt, failure *core.Explanation) {
	t.Helper()
	var id, backup string
	err := st.pool.QueryRow(t.Context(), "select id, coalesce(args->>'backup_id', '') from operations where kind = $1 and finished_at is null", kind).Scan(&id, &backup)
	if err != nil {
		t.Fatalf("no %s is under way: %v", kind, err)
	}
	i, _, err := st.service.Begin(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if receipt != nil {
		if err := st.service.NoteReceipt(t.Context(), id, *receipt); err != nil {
			t.Fatal(err)
		}
	}
	err = pgx.BeginFunc(t.Context(), st.pool, func(tx pgx.Tx) error {
		if kind == "verify" {
			return st.service.FinishVerify(t.Context(), tx, id, i, backup, receipt, failure)
		}
		return st.service.FinishCreate(t.Context(), tx, id, i, failure)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestHistoryTellsOfEveryRun with who, when, how long, what is proven, where, and why not.
func TestHistoryTellsOfEveryRun(t *testing.T) {
	st, b := lived(t)
	sam, eve, ada := st.token(t, "sam", core.ScopeRead), st.token(t, "eve", core.ScopeRead), st.token(t, "ada", core.ScopeAdmin)
	r := st.call(t, sam, "GET", "/history", nil)
	items, _ := r.at("items").([]any)
	if r.status != http.StatusOK || len(items) != 4 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	for n, want := range []map[string]any{
		{"kind": "backup", "state": "failed", "level": "", "requested_by": "sam", "door": "api", "error": "pg_dump ended with exit code 1."},
		{"kind": "restore", "state": "failed", "database": "genomes-restored", "backup_of": "genomes", "backup": b.ID, "door": "portal"},
		{"kind": "verify", "state": "done", "level": "verified", "backup": b.ID, "requested_by": "mydb"},
		{"kind": "backup", "state": "done", "level": "verified", "id": b.ID, "reason": "asked", "location": "file:///backups/" + b.ID},
	} {
		got := items[n].(map[string]any)
		for field, value := range want {
			if got[field] != value {
				t.Errorf("run %d has %s %v, want %v", n, field, got[field], value)
			}
		}
		for _, field := range []string{"created_at", "finished_at", "seconds"} {
			if got[field] == nil {
				t.Errorf("run %d has no %s: %v", n, field, got)
			}
		}
	}
	if receipt, _ := items[2].(map[string]any)["receipt"].(map[string]any); receipt["rows"] != 12.0 || items[3].(map[string]any)["size"] == nil {
		t.Errorf("the verification's receipt is %v", receipt)
	}
	for query, want := range map[string]int{
		"?kind=restore": 1, "?state=failed": 2, "?database=genomes": 4, "?database=genomes-restored": 1, "?database=other": 0, "?limit=3": 3,
		"?since=2020-01-01": 4, "?until=2020-01-01": 0, "?since=" + time.Now().Add(time.Hour).UTC().Format(time.RFC3339): 0, "?kind=backup&state=done": 1,
	} {
		if r := st.call(t, sam, "GET", "/history"+query, nil); r.status != http.StatusOK || len(r.at("items").([]any)) != want {
			t.Errorf("%s: %d %s; want %d", query, r.status, short(r.raw, 300), want)
		}
	}
	next := st.call(t, sam, "GET", "/history?limit=3", nil).at("next").(string)
	if r = st.call(t, sam, "GET", "/history?limit=3&cursor="+next, nil); len(r.at("items").([]any)) != 1 || r.at("next") != nil {
		t.Errorf("the second page: %s", r.raw)
	}
	if r = st.call(t, eve, "GET", "/history", nil); len(r.at("items").([]any)) != 0 {
		t.Errorf("somebody else's: %s", r.raw)
	}
	if r = st.call(t, ada, "GET", "/history?all=true", nil); len(r.at("items").([]any)) != 4 {
		t.Errorf("everybody's: %s", r.raw)
	}
	for query, status := range map[string]int{"?all=true": 403, "?kind=wonder": 400, "?state=splendid": 400, "?since=yesterday": 400, "?until=2026-13-01": 400, "?format=xml": 400, "?colour=red": 400} {
		if r := st.call(t, eve, "GET", "/history"+query, nil); r.status != status || r.at("error", "message") == "" {
			t.Errorf("%s: %d %s", query, r.status, r.raw)
		}
	}
}

// TestHistoryAsTable: a spreadsheet takes nothing of it for a formula.
func TestHistoryAsTable(t *testing.T) {
	st, _ := lived(t)
	for path, want := range map[string]int{"/history?format=csv": 5, "/history?format=csv&state=failed": 3, "/backups?format=csv": 3, "/backups?format=csv&database=genomes&state=failed": 2} {
		r := st.call(t, st.token(t, "sam", core.ScopeRead), "GET", path, nil)
		rows, err := csv.NewReader(strings.NewReader(r.raw)).ReadAll()
		if err != nil || len(rows) != want {
			t.Errorf("%s: %d rows, want %d with the head, %v", path, len(rows), want, err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if strings.HasPrefix(cell, "=") {
					t.Errorf("%s has a formula: %s", path, cell)
				}
			}
		}
	}
}

// TestHistoryPages narrow down, and lead to the same as a table.
func TestHistoryPages(t *testing.T) {
	st, _ := lived(t)
	sam, ada := st.loggedIn(t, "sam"), st.loggedIn(t, "ada")
	p := sam.get(t, "/history")
	if got := p.text("tbody"); !strings.Contains(got, "genomes-restored from genomes") || !strings.Contains(got, "3 tables, 12 rows") || !strings.Contains(got, "pg_dump ended") {
		t.Errorf("the page: %s", got)
	}
	p = sam.get(t, "/history?kind=verify&database=genomes&since=2020-01-01")
	if p.Find("tbody tr").Length() != 1 || p.Find("#kind option[selected]").Text() != "verify" || p.Find("#database").AttrOr("value", "") != "genomes" {
		t.Errorf("narrowed down: %s", p.text("main"))
	}
	if table, _ := p.Find(`a[href^="/history.csv"]`).Attr("href"); len(strings.Split(sam.get(t, table).raw, "\r\n")) != 3 {
		t.Errorf("as a table, from %s", table)
	}
	if p = sam.get(t, "/backups?database=genomes&state=failed"); p.Find("tbody tr").Length() != 1 {
		t.Errorf("backups that failed: %s", p.text("main"))
	}
	if p = sam.get(t, "/audit"); p.status != http.StatusForbidden {
		t.Errorf("sam reads the audit trail: %d", p.status)
	}
	p = ada.get(t, "/audit?actor=sam&action=restore")
	if p.Find("tbody tr").Length() != 1 || !strings.Contains(p.text("tbody"), "genomes-restored") || p.Find(`nav a[href="/audit"]`).Length() == 0 {
		t.Errorf("the audit trail: %d %s", p.status, p.text("main"))
	}
}

// TestAuditTrail is narrowed down, paged, and written as a table, for administrators.
func TestAuditTrail(t *testing.T) {
	st, b := lived(t)
	sam, ada := st.token(t, "sam", core.ScopeOperate), st.token(t, "ada", core.ScopeAdmin)
	_, token := st.linkTo(t, sam, b)
	if r := st.call(t, sam, "POST", "/links/"+token, nil); r.status != http.StatusOK {
		t.Fatal(r.raw)
	}
	for query, want := range map[string]string{
		"?database=genomes&action=link.use": "done accepted", "?action=link.&outcome=accepted": "accepted", "?actor=SAM&action=restore": "accepted", "?actor=eve": "", "?until=2020-01-01": "",
		"?database=" + b.InstanceID + "&action=link.make": "done",
	} {
		r := st.call(t, ada, "GET", "/audit"+query, nil)
		var got []string
		for _, e := range r.at("items").([]any) {
			got = append(got, e.(map[string]any)["outcome"].(string))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
	seen := map[any]bool{}
	for cursor := ""; ; {
		r := st.call(t, ada, "GET", "/audit?limit=2"+cursor, nil)
		for _, e := range r.at("items").([]any) {
			if id := e.(map[string]any)["id"]; seen[id] {
				t.Errorf("%v comes twice", id)
			} else {
				seen[id] = true
			}
		}
		if r.at("next") == nil {
			break
		}
		cursor = "&cursor=" + r.at("next").(string)
	}
	rows, err := csv.NewReader(strings.NewReader(st.call(t, ada, "GET", "/audit?format=csv", nil).raw)).ReadAll()
	if err != nil || len(rows) != len(seen)+1 || rows[0][2] != "actor" {
		t.Errorf("%d rows for %d entries, %v", len(rows), len(seen), err)
	}
	for query, status := range map[string]int{"?limit=0": 400, "?limit=5000": 400, "?cursor=x": 400, "?outcome=great": 400, "?since=x": 400, "?format=pdf": 400} {
		if r := st.call(t, ada, "GET", "/audit"+query, nil); r.status != status {
			t.Errorf("%s: %d %s", query, r.status, r.raw)
		}
	}
	if r := st.call(t, sam, "GET", "/audit?format=csv", nil); r.status != http.StatusForbidden {
		t.Errorf("sam: %d %s", r.status, r.raw)
	}
}
