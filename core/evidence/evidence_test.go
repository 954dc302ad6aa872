package evidence_test

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"encoding/csv"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/evidence"
)

// bundle is one of a site where sam has a database, ada refused to have it deleted, and eve was refused a look at it.
func bundle(t *testing.T, signer ed25519.PrivateKey) ([]byte, evidence.Manifest) {
	t.Helper()
	s, pool := coretest.New(t)
	sam, ada, eve := coretest.Actor(t, s, "sam", false), coretest.Actor(t, s, "ada", true), coretest.Actor(t, s, "eve", false)
	do := func(a core.Actor, c core.Command) core.Receipt {
		t.Helper()
		r, err := s.Do(t.Context(), core.Request{Actor: a, Door: core.DoorAPI, Address: "192.0.2.7", Command: c})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	made := do(sam, core.Create{Engine: "postgres", Name: "genomes", Password: "canary-password", Description: "=1+1"})
	if _, err := pool.Exec(t.Context(), "update instances set state = 'ready', ready_at = now(), node_id = 'n1', host = '127.0.0.1' where id = $1", made.Database.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "update operations set state = 'done', started_at = now(), finished_at = now()"); err != nil {
		t.Fatal(err)
	}
	asked := do(sam, core.Delete{On: core.On{Database: "genomes"}, Reason: "=the project is over"})
	do(ada, core.Decide{ID: asked.Approval.ID, Reason: "a paper needs it"})
	if _, err := s.Do(t.Context(), core.Request{Actor: eve, Door: core.DoorAPI, Command: core.Restart{On: core.On{Database: "genomes"}}}); err == nil {
		t.Fatal("eve restarts what is sam's")
	}
	if _, err := s.SealAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
	proof, err := s.VerifyAudit(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	m, err := evidence.Write(t.Context(), pool, &out, evidence.Bundle{
		Year: time.Now().UTC().Year(), Site: "https://mydb.example.org", Version: "test", Now: time.Now(), Signer: signer, Proof: proof,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), m
}

// files unpacks a bundle.
func files(t *testing.T, content []byte) map[string]string {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, entry := range r.File {
		f, err := entry.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		out[entry.Name] = string(b)
	}
	return out
}

// packed makes an archive of files.
func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range files {
		entry, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(entry, content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestBundle holds the records of the year and no secret, and shows whatever was done to it since.
func TestBundle(t *testing.T) {
	t.Parallel()
	signer, other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)), ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32))
	keys := []ed25519.PublicKey{other.Public().(ed25519.PublicKey), signer.Public().(ed25519.PublicKey)} //nolint:forcetypeassert // by the documentation
	content, m := bundle(t, signer)
	there := files(t, content)
	for name, want := range map[string]string{
		"people.csv": "ada,", "databases.csv": "genomes", "approvals.csv": "a paper needs it", "audit.csv": "192.0.2.7", "README.txt": "BEGIN PUBLIC KEY",
		"exceptions.csv": "refused: restart",
	} {
		if !strings.Contains(there[name], want) {
			t.Errorf("%s lacks %q:\n%s", name, want, there[name])
		}
	}
	for _, f := range m.Files {
		if !strings.HasSuffix(f.Name, ".csv") {
			continue
		}
		rows, err := csv.NewReader(strings.NewReader(there[f.Name])).ReadAll()
		if err != nil || int64(len(rows)) != f.Rows+1 {
			t.Errorf("%s: %d rows and a head, want %d: %v", f.Name, len(rows), f.Rows, err)
		}
		for _, row := range rows {
			if slices.ContainsFunc(row, func(cell string) bool { return strings.HasPrefix(cell, "=") || strings.Contains(cell, "canary") }) {
				t.Errorf("%s has a formula or a secret: %q", f.Name, row)
			}
		}
	}
	check := func(what string, content []byte, keys []ed25519.PublicKey, want string) {
		t.Helper()
		_, problems, err := evidence.Verify(bytes.NewReader(content), int64(len(content)), keys)
		got := strings.Join(problems, " ")
		if err != nil {
			got = err.Error()
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	check("as it was made", content, keys, "")
	check("of another site", content, keys[:1], "The signature is of none of the keys")
	check("cut off", content[:len(content)/2], keys, "was cut off")
	for what, c := range map[string]struct{ file, old, new, want string }{
		"a row changed":           {"approvals.csv", "a paper needs it", "fine with me", "approvals.csv was changed"},
		"a row added":             {"audit.csv", "seq,id", "seq,id\n", "audit.csv was changed"},
		"a hash changed, too":     {"manifest.json", `"rows": `, `"rows": 1`, "The signature is of none of the keys"},
		"of a version that comes": {"manifest.json", `"format": 1`, `"format": 2`, "is of format 2"},
	} {
		changed := files(t, content)
		changed[c.file] = strings.Replace(changed[c.file], c.old, c.new, 1)
		check(what, packed(t, changed), keys, c.want)
	}
	without := files(t, content)
	delete(without, "exceptions.csv")
	check("a file removed", packed(t, without), keys, "exceptions.csv is missing")
	without = files(t, content)
	without["more.csv"] = "x"
	check("a file added", packed(t, without), keys, `"more.csv" was added`)
	check("something else", packed(t, map[string]string{"a": "b"}), keys, "it has no manifest.json")
}
