package mongodb

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
)

func TestRecipeGolden(t *testing.T) {
	for _, c := range [][2]string{{"small", "8"}, {"medium", "7"}, {"large", "6"}} {
		t.Run(c[0]+"-"+c[1], func(t *testing.T) { enginetest.GoldenRecipe(t, Engine{}, c[1], c[0]) })
	}
}

// Every combination that can be asked for asks everybody for a password over TLS, and is a replica set.
func TestRecipeOfEveryVersionAndSize(t *testing.T) {
	offer, _ := engine.BuiltIn().Offer("mongodb")
	for _, v := range offer.Versions {
		for _, size := range engine.BuiltIn().Sizes {
			t.Run(v.Version+"-"+size.Name, func(t *testing.T) {
				in := enginetest.Input(t, Engine{}, v.Version, size.Name)
				r, err := Engine{}.Recipe(in)
				if err != nil {
					t.Fatal(err)
				}
				args := strings.Join(r.Args, " ")
				for _, always := range []string{"--keyFile " + ownDir, "--tlsMode requireTLS", "--replSet rs0", "--dbpath " + r.DataPath + " ", "enableLocalhostAuthBypass=false"} {
					if !strings.Contains(args, always) {
						t.Errorf("the recipe lacks %s: %s", always, args)
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
	for _, version := range []string{"", "5", "4.4", "seven", "-7"} {
		in := enginetest.Input(t, Engine{}, "7", "small")
		in.Version.Version = version
		if _, err := (Engine{}).Recipe(in); err == nil {
			t.Errorf("version %q was accepted", version)
		}
	}
}

// A recipe without a deadline must never initialise anything.
func TestRecipeWithoutDeadline(t *testing.T) {
	in := enginetest.Input(t, Engine{}, "7", "small")
	in.InitUntil = time.Time{}
	r, err := Engine{}.Recipe(in)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(r.Env, "MYDB_INIT_UNTIL=0") {
		t.Errorf("environment is %v", r.Env)
	}
}

// The scripts are the same for all instances, and hold the names that the package has.
func TestScriptsNameWhatTheyShare(t *testing.T) {
	for _, want := range []string{"$data/" + MarkerFile, "own=" + ownDir + "\n", "secret=" + secretPath + "\n"} {
		if !strings.Contains(string(entryScript), want) {
			t.Errorf("entry.sh does not speak of %s", want)
		}
	}
	for _, want := range []string{"/" + MarkerFile, "'" + ownDir + "/'", "account('probe'", "account('backup'", "'mydb_' + name"} {
		if !strings.Contains(string(initScript), want) {
			t.Errorf("init.js does not speak of %s", want)
		}
	}
	for _, user := range []string{AdminUser, ProbeUser, BackupUser} {
		if !strings.HasPrefix(user, "mydb_") {
			t.Errorf("%s would show up in reports", user)
		}
	}
}

func TestSecretFile(t *testing.T) {
	s := engine.Secrets{
		Admin: "admin-password", Probe: "probe-password", Replication: "backup-password",
		Certificate: []byte("-----BEGIN CERTIFICATE-----\n"), Key: []byte("-----BEGIN PRIVATE KEY-----\n"),
	}
	file, err := Engine{}.SecretFile(s)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for line := range strings.Lines(string(file)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		content, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			t.Fatal(err)
		}
		got[name] = string(content)
		if !strings.Contains(string(entryScript), name) {
			t.Errorf("entry.sh does not know %s", name)
		}
	}
	for name, want := range map[string]string{
		"admin_password": s.Admin, "probe_password": s.Probe, "backup_password": s.Replication,
		"tls.crt": string(s.Certificate), "tls.pem": string(s.Certificate) + string(s.Key),
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	// The server takes 6 to 1024 characters of base64.
	if !regexp.MustCompile(`^[A-Za-z0-9+/=]{44}$`).MatchString(got["keyfile"]) || strings.Contains(got["keyfile"], s.Admin) {
		t.Errorf("the key file holds %q", got["keyfile"])
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

func TestCache(t *testing.T) {
	for memory, want := range map[int64]float64{gib / 2: 0.25, gib: 0.25, 4 * gib: 1.5, 16 * gib: 7.5} {
		if got := cacheGiB(memory); got != want {
			t.Errorf("of %d MiB the cache takes %.2f GiB, want %.2f", memory/mib, got, want)
		}
	}
}

func TestLeftover(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for name, want := range map[string]bool{
		"mydb_proof_1699990000_abc": true, "mydb_proof_1699999900_abc": false, "mydb_proof_1700009999_abc": false,
		"mydb_proof_abc": false, "mydb_proof_": false, "samples": false, "1699990000": false,
	} {
		if got := leftover(name, now); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
