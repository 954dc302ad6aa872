package enginetest

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core/engine"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Golden compares with a file in the folder testdata; -update writes it anew.
func Golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-update writes it anew):\n%s", path, got)
	}
}

// Input is what a recipe is made from in golden tests: a version and a size of the built-in catalogue.
func Input(t *testing.T, e engine.Engine, version, size string) engine.Input {
	t.Helper()
	offer, ok := engine.BuiltIn().Offer(e.Name())
	if !ok {
		t.Fatalf("the catalogue has no %s", e.Name())
	}
	v, okV := offer.Version(version)
	s, okS := engine.BuiltIn().Size(size)
	if !okV || !okS {
		t.Fatalf("the catalogue has no version %s or no size %s", version, size)
	}
	return engine.Input{InstanceID: "cfg0s1q2v3", Version: v, Size: s, InitUntil: time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)}
}

// GoldenRecipe compares the recipe of a version and a size with the file recipe-SIZE-VERSION.json, but for the scripts, which have files of
// their own.
func GoldenRecipe(t *testing.T, e engine.Engine, version, size string) {
	t.Helper()
	r, err := e.Recipe(Input(t, e, version, size))
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Configs {
		r.Configs[i].Content = nil
	}
	got, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	Golden(t, "recipe-"+size+"-"+version+".json", string(got)+"\n")
}

// Need skips a test where a program is missing.
func Need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("needs %s", program)
	}
}

// PythonWith finds an interpreter that has the modules: the one that MYDB_TEST_PYTHON names, the path's, or the system's.
func PythonWith(t *testing.T, modules ...string) string {
	t.Helper()
	for _, python := range []string{os.Getenv("MYDB_TEST_PYTHON"), "python3", "/usr/bin/python3"} {
		if python != "" && exec.Command(python, "-c", "import "+strings.Join(modules, ", ")).Run() == nil {
			return python
		}
	}
	t.Skipf("needs Python with %s (MYDB_TEST_PYTHON names the interpreter)", strings.Join(modules, ", "))
	return ""
}
