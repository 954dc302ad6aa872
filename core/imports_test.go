package core_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/mydb-project/mydb"

// rules say, for each part of the project, which other parts and which guarded libraries it may import. A part is a folder and
// all below it; the longest that fits a package counts.
var rules = map[string][]string{
	"":               {"*"},
	"core/engine":    {"core/engine"},
	"core/policy":    {"core/engine"},
	"core/config":    {"core/engine", "core/policy"},
	"core/crypt":     {"core/engine"},
	"core/directory": {"core"},
	"core/coretest":  {"*"},
	"core/evidence":  {"core"},
	"core":           {"core/engine", "core/policy", "core/crypt", "core/config"},
	"bot":            {"bot", "core"},
	"bot/chattest":   {"*"}, // for tests only: it runs the workers of chat beside the desk
	"bot/discord":    {"bot", "core", "github.com/bwmarrin"},
	"bot/slack":      {"bot", "core", "github.com/slack-go"},
	"portal":         {"portal", "core"},
	"jobs":           {"jobs", "core", "github.com/riverqueue"},
	"jobs/swarm":     {"jobs", "core", "github.com/docker/docker"},
	"jobs/mail":      {"jobs", "core", "github.com/wneessen/go-mail"},
	"jobs/store":     {"jobs", "core", "github.com/aws"},
	"migrations":     {"github.com/riverqueue"},
	"deploy":         {"*"}, // development mode and benchmarks wire parts together, as main does

	"core/directory/ldap": {"core", "github.com/go-ldap"},
}

// guarded are the libraries that only the parts that name them may import.
var guarded = []string{"github.com/riverqueue", "github.com/docker/docker", "github.com/slack-go", "github.com/bwmarrin", "github.com/go-ldap", "github.com/aws", "github.com/wneessen/go-mail"}

// TestImports keeps who may import whom, tests aside.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		part, allowed := ruleFor(strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/"))
		for _, imported := range p.Imports {
			if !mayImport(allowed, imported) {
				t.Errorf("%s imports %s, which %q may not: %v", p.ImportPath, imported, part, allowed)
			}
		}
	}
}

func ruleFor(pkg string) (part string, allowed []string) {
	for candidate := pkg; ; candidate = candidate[:max(strings.LastIndex(candidate, "/"), 0)] {
		if allowed, ok := rules[candidate]; ok {
			return candidate, allowed
		}
		if candidate == "" {
			return "", nil
		}
	}
}

func mayImport(allowed []string, imported string) bool {
	name, own := strings.CutPrefix(imported, module+"/")
	watched := own
	for _, g := range guarded {
		watched = watched || strings.HasPrefix(imported, g)
	}
	if !watched {
		return true
	}
	for _, a := range allowed {
		if a == "*" || name == a || strings.HasPrefix(name, a+"/") {
			return true
		}
	}
	return false
}
