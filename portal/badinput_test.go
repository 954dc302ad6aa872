package portal

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
)

// nasty is what people and programs put into fields by mistake or on purpose.
var nasty = map[string]string{
	"SQL":           `x'; drop table instances; --`,
	"shell":         `$(touch /tmp/pwned); rm -rf / & |`,
	"HTML":          `"><script>alert(1)</script><img src=x onerror=alert(1)>`,
	"template":      `{{.}} ${7*7} %s%n`,
	"path":          `../../etc/passwd`,
	"NUL":           "a\x00b",
	"newline":       "a\r\nSet-Cookie: x=y",
	"right-to-left": "genomes\u202egpj.exe",
	"emoji":         "🧬🧬🧬🧬",
	"long":          strings.Repeat("a", 100_000),
	"blank":         " ",
}

// TestBadFieldsOverTheAPI: each field either takes the text as it is or refuses it in a sentence; nothing breaks.
func TestBadFieldsOverTheAPI(t *testing.T) {
	st := newSite(t)
	token := st.token(t, "ada", core.ScopeAdmin)
	fields := []string{"name", "engine", "version", "size", "username", "password", "backup", "expires", "description", "contact", "init_sql", "owner", "extensions"}
	for _, field := range fields {
		for kind, value := range nasty {
			body := map[string]any{"name": "bad-input", "engine": "postgres"}
			body[field] = value
			if field == "extensions" {
				body[field] = []string{value}
			}
			r := st.call(t, token, "POST", "/databases", body)
			switch {
			case r.status == http.StatusAccepted:
				endNow(t, st, r)
			case r.status != http.StatusBadRequest || r.at("error", "message") == "" || r.at("error", "field") == nil:
				t.Errorf("%s with %s: %d %s", field, kind, r.status, short(r.raw, 300))
			case len(r.raw) > 2000:
				t.Errorf("%s with %s is repeated in full: %d bytes", field, kind, len(r.raw))
			}
		}
	}
	if log := st.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("internal errors:\n%s", log)
	}
}

// endNow frees the name of an accepted create.
func endNow(t *testing.T, st *site, r reply) {
	t.Helper()
	id, _ := r.at("operation", "id").(string)
	st.finish(t, core.Receipt{Operation: core.Operation{ID: id}}, &core.Explanation{Code: core.CodeInvalid, Message: "It was a test."})
	if _, err := st.pool.Exec(t.Context(), "update ports set free_after = '-infinity'"); err != nil {
		t.Fatal(err)
	}
}

func TestBadPaths(t *testing.T) {
	st := newSite(t)
	token := st.token(t, "sam", core.ScopeOperate)
	for kind, value := range nasty {
		if kind == "long" {
			value = value[:5000]
		}
		for _, path := range []string{"/databases/%s", "/databases/%s/credentials", "/operations/%s", "/operations/%s/events"} {
			r := st.call(t, token, "GET", strings.Replace(path, "%s", url.PathEscape(value), 1), nil)
			if r.status != http.StatusNotFound {
				t.Errorf("%s with %s: %d %s", path, kind, r.status, short(r.raw, 200))
			}
		}
		if r := st.call(t, token, "DELETE", "/tokens/"+url.PathEscape(value), nil); r.status != http.StatusNotFound && r.status != http.StatusMethodNotAllowed {
			t.Errorf("token %s: %d %s", kind, r.status, short(r.raw, 200))
		}
		if r := st.call(t, value[:min(len(value), 50)], "GET", "/me", nil, "Authorization", "Bearer "+url.QueryEscape(value[:min(len(value), 500)])); r.status != http.StatusUnauthorized {
			t.Errorf("Bearer %s: %d", kind, r.status)
		}
	}
}

func TestBadBodies(t *testing.T) {
	st := newSite(t)
	token := st.token(t, "sam", core.ScopeOperate)
	good, err := json.Marshal(map[string]any{"name": "genomes", "engine": "postgres"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		body, mime    string
		status        int
		field, phrase string
	}{
		"empty":              {"", "", 400, "", "empty"},
		"not JSON":           {"name=genomes", "", 400, "", "not valid JSON"},
		"cut off":            {`{"name": "genomes"`, "", 400, "", "ends too early"},
		"a list":             {`[]`, "", 400, "", "must be a JSON object"},
		"two objects":        {string(good) + string(good), "", 400, "", "goes on"},
		"rubbish at the end": {string(good) + "x", "", 400, "", "goes on"},
		"an unknown field":   {`{"name":"genomes","engine":"postgres","colour":"red"}`, "", 400, "colour", "no field"},
		"a number as name":   {`{"name":7,"engine":"postgres"}`, "", 400, "name", "takes a string"},
		"a string as flag":   {`{"name":"genomes","engine":"postgres","phi":"yes"}`, "", 400, "phi", "true or false"},
		"a string as list":   {`{"name":"genomes","engine":"postgres","extensions":"hstore"}`, "", 400, "extensions", "a list"},
		"not UTF-8":          {"{\"name\":\"gen\xff\",\"engine\":\"postgres\"}", "", 400, "", "UTF-8"},
		"NUL in an owner":    {`{"name":"genomes","engine":"postgres","owner":"a\u0000"}`, "", 400, "owner", "NUL"},
		"a form":             {string(good), "application/x-www-form-urlencoded", 415, "Content-Type", "Send JSON"},
		"no real type":       {string(good), "///", 415, "Content-Type", "Send JSON"},
		"too large":          {`{"name":"genomes","engine":"postgres","init_sql":"` + strings.Repeat("x", maxBody) + `"}`, "", 413, "", "larger than 256 KiB"},
		"deep":               {strings.Repeat("[", 20_000), "", 400, "", ""},
	} {
		mime := c.mime
		if mime == "" {
			mime = "application/json"
		}
		r := st.call(t, token, "POST", "/databases", c.body, "Content-Type", mime)
		field, _ := r.at("error", "field").(string)
		message, _ := r.at("error", "message").(string)
		if r.status != c.status || field != c.field || !strings.Contains(message, c.phrase) {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
	if list := st.call(t, token, "GET", "/databases", nil); strings.Contains(list.raw, "genomes") {
		t.Errorf("something was created: %s", list.raw)
	}
}
