package portal

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
)

// TestAuditAsJSON exports the trail as one document, also when nothing fits, and shows the timeline of a database to its owner.
func TestAuditAsJSON(t *testing.T) {
	st := newSite(t)
	st.finish(t, st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres"}), nil)
	ada, sam := st.loggedIn(t, "ada"), st.loggedIn(t, "sam")
	for query, want := range map[string]int{"?database=genomes": 2, "?actor=nobody": 0, "?door=slack": 0, "?door=api&database=genomes": 1} {
		p := ada.get(t, "/audit.json"+query)
		var got auditList
		if err := json.Unmarshal([]byte(p.raw), &got); err != nil || len(got.Items) != want {
			t.Errorf("%s: %d entries, %v, want %d: %s", query, len(got.Items), err, want, p.raw)
		}
		if d := p.header.Get("Content-Disposition"); !strings.Contains(d, "audit.json") {
			t.Errorf("%s is no file: %q", query, d)
		}
	}
	if p := sam.get(t, "/audit.json"); p.status != http.StatusForbidden {
		t.Errorf("sam exports the trail: %d", p.status)
	}
	if p := sam.get(t, "/databases/genomes/timeline"); p.status != http.StatusOK || p.Find("tbody tr").Length() != 2 || !strings.Contains(p.text("tbody"), "create") {
		t.Errorf("the timeline: %d %s", p.status, p.text("main"))
	}
	if p := sam.get(t, "/databases/genomes"); p.Find(`a[href$="/timeline"]`).Length() != 1 {
		t.Error("the page of a database does not lead to its timeline")
	}
}
