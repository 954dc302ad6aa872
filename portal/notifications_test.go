package portal

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
)

// TestNotificationsOverTheAPI reads what people were told, as an administrator, and sends a dead letter again.
func TestNotificationsOverTheAPI(t *testing.T) {
	st := newSite(t)
	ada, sam := st.token(t, "ada", core.ScopeAdmin), st.token(t, "sam", core.ScopeOperate)
	r := st.create(t, "sam", core.Create{Name: "genomes", Engine: "postgres", Password: "canary-canary-canary"})
	st.finish(t, r, nil)

	list := st.call(t, ada, "GET", "/notifications", nil)
	if list.status != http.StatusOK || strings.Count(list.raw, `"kind":"ready"`) != 1 || !strings.Contains(list.raw, `"address":"sam@example.com"`) ||
		!strings.Contains(list.raw, `"subject":"genomes is ready"`) || strings.Contains(list.raw, "canary") {
		t.Fatalf("list: %d %s", list.status, list.raw)
	}
	var id string
	err := st.pool.QueryRow(t.Context(), "update notifications set state = 'failed', last_error = '550 no such user', attempts = 1 returning id").Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	if dead := st.call(t, ada, "GET", "/notifications?state=failed", nil); strings.Count(dead.raw, id) != 1 {
		t.Errorf("dead letters: %s", dead.raw)
	}
	if metrics := st.get(t, "/metrics"); !strings.Contains(metrics, `mydb_notifications_total{state="failed"} 1`) {
		t.Errorf("metrics: %s", metrics)
	}
	for range 2 { // the second time, it is pending already
		if got := st.call(t, ada, "POST", "/notifications/"+id+"/retry", nil); got.status != http.StatusAccepted || got.at("state") != "pending" {
			t.Errorf("retry: %d %s", got.status, got.raw)
		}
	}
	if _, err := st.pool.Exec(t.Context(), "update notifications set state = 'sent', sent_at = now()"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		token, method, path string
		status              int
	}{
		{sam, "GET", "/notifications", 403},
		{sam, "POST", "/notifications/" + id + "/retry", 403},
		{ada, "GET", "/notifications?state=lost", 400},
		{ada, "GET", "/notifications?stat=failed", 400},
		{ada, "POST", "/notifications/nothing/retry", 404},
		{ada, "POST", "/notifications/" + id + "/retry", 409},
	} {
		if got := st.call(t, c.token, c.method, c.path, nil); got.status != c.status {
			t.Errorf("%s %s: %d %s; want %d", c.method, c.path, got.status, got.raw, c.status)
		}
	}
}

func (st *site) get(t *testing.T, path string) string {
	t.Helper()
	resp, err := st.Client().Get(st.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	if _, err := io.Copy(&b, resp.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
