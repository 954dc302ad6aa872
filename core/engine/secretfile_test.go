package engine_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/mariadb"
	"github.com/mydb-project/mydb/core/engine/mongodb"
	"github.com/mydb-project/mydb/core/engine/postgres"
)

// TestParseSecretFile reads back what each engine writes.
func TestParseSecretFile(t *testing.T) {
	t.Parallel()
	want := engine.Secrets{
		Admin: "the-admin-password", Probe: "the-probe-password", Replication: "the-replication-password",
		Certificate: []byte("-----BEGIN CERTIFICATE-----\nabc\n"), Key: []byte("-----BEGIN PRIVATE KEY-----\ndef\n"),
	}
	for _, e := range []engine.Engine{postgres.Engine{}, mariadb.Engine{}, mongodb.Engine{}} {
		file, err := e.SecretFile(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := engine.ParseSecretFile(file)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", e.Name(), got, err)
		}
		again, err := e.SecretFile(got)
		if err != nil || !bytes.Equal(again, file) {
			t.Errorf("%s: what was read back is written otherwise, %v", e.Name(), err)
		}
		for n := range len(file) / 7 {
			if got, err := engine.ParseSecretFile(file[:n*7]); err == nil && !reflect.DeepEqual(got, want) {
				t.Errorf("%s: the first %d of %d bytes are taken for all", e.Name(), n*7, len(file))
			}
		}
	}
	if _, err := engine.ParseSecretFile([]byte("cat: /run/secrets/mydb: No such file or directory\n")); err == nil {
		t.Error("a complaint is taken for secrets")
	}
}
