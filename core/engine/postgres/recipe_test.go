package postgres

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
)

func TestRecipeGolden(t *testing.T) {
	for _, c := range [][2]string{{"small", "17"}, {"small", "18"}, {"medium", "13"}} {
		t.Run(c[0]+"-"+c[1], func(t *testing.T) { enginetest.GoldenRecipe(t, Engine{}, c[1], c[0]) })
	}
}

// Every combination that can be asked for keeps what durability and the container's limits need.
func TestRecipeOfEveryVersionAndSize(t *testing.T) {
	offer, _ := engine.BuiltIn().Offer("postgres")
	for _, v := range offer.Versions {
		for _, size := range engine.BuiltIn().Sizes {
			t.Run(v.Version+"-"+size.Name, func(t *testing.T) {
				in := enginetest.Input(t, Engine{}, v.Version, size.Name)
				r, err := Engine{}.Recipe(in)
				if err != nil {
					t.Fatal(err)
				}
				args := strings.Join(r.Args, " ")
				for _, never := range []string{"fsync", "full_page_writes", "synchronous_commit", "zero_damaged_pages"} {
					if strings.Contains(args, never) {
						t.Errorf("the recipe must leave %s alone: %s", never, args)
					}
				}
				data := ""
				for _, e := range r.Env {
					if d, ok := strings.CutPrefix(e, "PGDATA="); ok {
						data = d
					}
				}
				if data != r.DataPath && !strings.HasPrefix(data, r.DataPath+"/") {
					t.Errorf("PGDATA %q is outside the volume at %q: it would go with the container", data, r.DataPath)
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
	for _, version := range []string{"", "12", "9.6", "seventeen", "-17"} {
		in := enginetest.Input(t, Engine{}, "17", "small")
		in.Version.Version = version
		if _, err := (Engine{}).Recipe(in); err == nil {
			t.Errorf("version %q was accepted", version)
		}
	}
}

// A recipe without a deadline must never initialise anything.
func TestRecipeWithoutDeadline(t *testing.T) {
	in := enginetest.Input(t, Engine{}, "17", "small")
	in.InitUntil = time.Time{}
	r, err := Engine{}.Recipe(in)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(r.Env, "MYDB_INIT_UNTIL=0") {
		t.Errorf("environment is %v", r.Env)
	}
}

// The scripts are the same for all instances, and hold the marker's name that the package exports.
func TestScriptsNameTheMarker(t *testing.T) {
	for name, script := range map[string][]byte{"entry.sh": entryScript, "init.sh": initScript} {
		if !strings.Contains(string(script), "$PGDATA/"+MarkerFile) {
			t.Errorf("%s does not speak of %s", name, MarkerFile)
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
	} {
		other := s
		broken(&other)
		if _, err := (Engine{}).SecretFile(other); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
