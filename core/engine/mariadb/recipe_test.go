package mariadb

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
)

func TestRecipeGolden(t *testing.T) {
	offer, _ := engine.BuiltIn().Offer("mariadb")
	for _, v := range offer.Versions {
		t.Run(v.Version, func(t *testing.T) { enginetest.GoldenRecipe(t, Engine{}, v.Version, "small") })
	}
}

// Every combination that can be asked for keeps what durability and the container's limits need.
func TestRecipeOfEveryVersionAndSize(t *testing.T) {
	offer, _ := engine.BuiltIn().Offer("mariadb")
	for _, v := range offer.Versions {
		for _, size := range engine.BuiltIn().Sizes {
			t.Run(v.Version+"-"+size.Name, func(t *testing.T) {
				in := enginetest.Input(t, Engine{}, v.Version, size.Name)
				r, err := Engine{}.Recipe(in)
				if err != nil {
					t.Fatal(err)
				}
				for _, always := range []string{
					"--datadir=" + r.DataPath, "--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1", "--binlog-format=ROW",
					"--gtid-strict-mode=ON", "--require-secure-transport=ON", "--expire-logs-days=3",
				} {
					if !slices.Contains(r.Args, always) {
						t.Errorf("the recipe lacks %s: %s", always, r.Args)
					}
				}
				for _, a := range r.Args {
					if strings.ContainsAny(a, " \t") || strings.Contains(a, "skip-grant") || strings.Contains(a, "doublewrite") {
						t.Errorf("the recipe must not have %q", a)
					}
				}
				again, err := Engine{}.Recipe(in)
				if err != nil || !slices.Equal(r.Args, again.Args) || !slices.Equal(r.Env, again.Env) {
					t.Errorf("equal input gave another recipe")
				}
			})
		}
	}
}

func TestRecipeRefusesUnknownVersions(t *testing.T) {
	for _, version := range []string{"", "10", "10.5", "9.6", "eleven", "11.x", "-11", "5.7"} {
		in := enginetest.Input(t, Engine{}, "11.8", "small")
		in.Version.Version = version
		if _, err := (Engine{}).Recipe(in); err == nil {
			t.Errorf("version %q was accepted", version)
		}
	}
}

// A recipe without a deadline must never initialise anything.
func TestRecipeWithoutDeadline(t *testing.T) {
	in := enginetest.Input(t, Engine{}, "11.8", "small")
	in.InitUntil = time.Time{}
	r, err := Engine{}.Recipe(in)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(r.Env, "MYDB_INIT_UNTIL=0") {
		t.Errorf("environment is %v", r.Env)
	}
}

// The scripts are the same for all instances, and hold the names that the package exports.
func TestScriptsNameWhatTheyShare(t *testing.T) {
	for script, names := range map[string][]string{
		string(entryScript): {"$data/" + MarkerFile, ProbeUser, ownDir, socketPath, pidFile[len(ownDir):], secretPath},
		string(initScript):  {"$MYDB_DATA/" + MarkerFile, AdminUser, ProbeUser, ReplicationUser, ownDir},
	} {
		for _, name := range names {
			if !strings.Contains(script, name) {
				t.Errorf("a script does not speak of %s:\n%s", name, script)
			}
		}
	}
}

func TestSecretFile(t *testing.T) {
	s := engine.Secrets{
		Admin: "admin-password", Probe: "probe-password", Replication: "replication-password",
		Certificate: []byte("-----BEGIN CERTIFICATE-----\n"), Key: []byte("-----BEGIN PRIVATE KEY-----\n"),
	}
	got, err := Engine{}.SecretFile(s)
	if err != nil {
		t.Fatal(err)
	}
	want := "admin_password YWRtaW4tcGFzc3dvcmQ=\n" +
		"probe_password cHJvYmUtcGFzc3dvcmQ=\n" +
		"replication_password cmVwbGljYXRpb24tcGFzc3dvcmQ=\n" +
		"tls.crt LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==\n" +
		"tls.key LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCg==\n"
	if string(got) != want {
		t.Errorf("got:\n%s", got)
	}
	for name, broken := range map[string]func(*engine.Secrets){
		"no key":              func(s *engine.Secrets) { s.Key = nil },
		"no password":         func(s *engine.Secrets) { s.Probe = "" },
		"a line break inside": func(s *engine.Secrets) { s.Admin = "admin-password\nsecond line" },
		"a quote inside":      func(s *engine.Secrets) { s.Admin = "admin'password" },
	} {
		other := s
		broken(&other)
		if _, err := (Engine{}).SecretFile(other); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The published example of MariaDB's documentation for PASSWORD().
func TestPasswordHash(t *testing.T) {
	if got := passwordHash("password"); got != "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19" {
		t.Error(got)
	}
}
