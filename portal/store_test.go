package portal

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core"
)

// TestOrphans shows administrators what lies in the store and belongs to nothing: as page, API, table and metric.
func TestOrphans(t *testing.T) {
	st := newSite(t)
	admin, root, sam := st.loggedIn(t, "ada"), st.token(t, "ada", core.ScopeAdmin), st.token(t, "sam", core.ScopeOperate)
	if p := admin.get(t, "/store/orphans"); !strings.Contains(p.text("main"), "The store was not looked at yet") {
		t.Errorf("%d %s", p.status, p.text("main"))
	}
	if r := st.call(t, root, "GET", "/store/orphans", nil); r.status != http.StatusOK || r.at("look") != nil || len(r.at("items").([]any)) != 0 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	instance, backup := xid.New().String(), xid.New().String()
	began := time.Now()
	folders := []core.StoreFolder{
		{Name: instance + "/" + backup, InstanceID: instance, BackupID: backup, Objects: 3, Bytes: 5 << 20, Manifest: true, WrittenAt: began},
		{Name: "=cmd.txt", Objects: 1, Bytes: 7, WrittenAt: began.AddDate(0, 0, -3)},
	}
	if err := st.service.KeepOrphans(t.Context(), folders, began); err != nil {
		t.Fatal(err)
	}
	p := admin.get(t, "/store/orphans")
	if text := p.text("main"); !strings.Contains(text, "2 places with 5 MiB") || !strings.Contains(text, backup) || !strings.Contains(text, "a whole backup that the catalogue does not have") {
		t.Errorf("%d %s", p.status, text)
	}
	if p = admin.get(t, "/findings"); !strings.Contains(p.text("main"), "In 2 places of the store lie 5MiB that belong to no backup") {
		t.Errorf("%d %s", p.status, p.text("main"))
	}
	r := st.call(t, root, "GET", "/store/orphans?limit=1", nil)
	if items := r.at("items").([]any); len(items) != 1 || r.at("next") != instance+"/"+backup || r.at("look", "orphans") != 2.0 {
		t.Errorf("%s", r.raw)
	}
	r = st.call(t, root, "GET", "/store/orphans?format=csv", nil)
	rows, err := csv.NewReader(strings.NewReader(r.raw)).ReadAll()
	if err != nil || len(rows) != 3 || rows[1][1] != "unknown" || rows[2][0] != "'=cmd.txt" {
		t.Errorf("%v %q", err, rows)
	}
	for path, status := range map[string]int{"/store/orphans?format=xml": http.StatusBadRequest, "/store/orphans?limit=0": http.StatusBadRequest} {
		if r := st.call(t, root, "GET", path, nil); r.status != status {
			t.Errorf("%s: %d %s", path, r.status, r.raw)
		}
	}
	if r := st.call(t, sam, "GET", "/store/orphans", nil); r.status != http.StatusForbidden {
		t.Errorf("for sam: %d %s", r.status, r.raw)
	}
	if p := st.loggedIn(t, "sam").get(t, "/store/orphans"); p.status != http.StatusForbidden {
		t.Errorf("for sam: %d", p.status)
	}
	if metrics := st.get(t, "/metrics"); !strings.Contains(metrics, "\nmydb_store_orphans 2\n") || !strings.Contains(metrics, "mydb_store_orphan_bytes 5.242887e+06\n") {
		t.Errorf("metrics lack them")
	}
}
