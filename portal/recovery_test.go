package portal

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
)

// TestRecovery tells administrators of a recovery on every page until one of them has accepted it, and of the backups of MyDB's own
// database. Nobody else sees anything of it.
func TestRecovery(t *testing.T) {
	st := newSite(t)
	id, err := st.service.BeginCatalogueBackup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made := core.MadeBackup{ID: id, Size: 3 << 20, SHA256: strings.Repeat("a", 64), Location: "file:///backups/catalogue/" + id}
	if err := st.service.KeepCatalogueBackup(t.Context(), made, core.CatalogueCopy{Schema: 14}); err != nil {
		t.Fatal(err)
	}
	sam, ada := st.loggedIn(t, "sam"), st.loggedIn(t, "ada")
	if p := ada.get(t, "/recovery"); !strings.Contains(p.text("tbody"), "done") || !strings.Contains(p.text("tbody"), "3 MiB") || p.Find("#recovered").Length() != 0 {
		t.Errorf("before any recovery: %s", p.text("main"))
	}
	_, err = st.pool.Exec(t.Context(), `insert into recoveries (id, at, backup_id, backup_at, differences) values ('r1', now(), $1, now() - interval '1 hour',
		'[{"kind": "state", "database_id": "x", "database": "genomes", "message": "It runs, although it was <stopped>."}, {"kind": "backups", "message": "Two backups more."}]')`, id)
	if err != nil {
		t.Fatal(err)
	}
	if p := ada.get(t, "/"); !strings.Contains(p.text("#recovered"), "with 2 differences") {
		t.Errorf("an administrator's page: %s", p.text("main"))
	}
	if p := sam.get(t, "/"); p.Find("#recovered").Length() != 0 {
		t.Error("everybody is told")
	}
	if p := ada.get(t, "/recovery"); !strings.Contains(p.text("#recovery-r1"), "genomes: It runs, although it was <stopped>.") || !strings.Contains(p.text("#recovery-r1"), "Two backups more.") {
		t.Errorf("the differences: %s", p.text("main"))
	}
	if p := sam.get(t, "/recovery"); p.status != http.StatusForbidden {
		t.Errorf("somebody else's page: %d", p.status)
	}
	if p := sam.post(t, "/recovery/accept", nil); p.status != http.StatusForbidden {
		t.Errorf("somebody else accepts: %d", p.status)
	}
	admin, scientist := st.token(t, "ada", core.ScopeAdmin), st.token(t, "sam", core.ScopeOperate)
	for _, path := range []string{"/catalogue-backups", "/recoveries"} {
		if r := st.call(t, scientist, http.MethodGet, path, nil); r.status != http.StatusForbidden {
			t.Errorf("%s for everybody: %d", path, r.status)
		}
		if r := st.call(t, admin, http.MethodGet, path, nil); r.status != http.StatusOK || !strings.Contains(r.raw, id) {
			t.Errorf("%s: %d %s", path, r.status, r.raw)
		}
	}
	if r := st.call(t, scientist, http.MethodPost, "/recovery/accept", nil); r.status != http.StatusForbidden {
		t.Errorf("somebody else accepts over the API: %d", r.status)
	}
	if p := ada.post(t, "/recovery/accept", nil); p.status != http.StatusOK || !strings.Contains(p.text("#recovery-r1"), "Accepted by ada") || p.Find("#recovered").Length() != 0 {
		t.Errorf("accepted: %d %s", p.status, p.text("main"))
	}
	if r := st.call(t, admin, http.MethodPost, "/recovery/accept", nil); r.status != http.StatusNotFound {
		t.Errorf("accepted twice: %d %s", r.status, r.raw)
	}
}
