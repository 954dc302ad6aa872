package permissions_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core/engine"
)

// outside are the routes that are for anybody, or for what proves itself otherwise.
var outside = []string{
	"GET /healthz", "HEAD /healthz", "GET /readyz", "HEAD /readyz", "GET /metrics", "GET /static/", "HEAD /static/", "GET /ca.crt", "HEAD /ca.crt", "GET /api/v1/ca.crt",
	"GET /api/v1/openapi.json", "GET /login", "HEAD /login", "POST /login", "POST /logout",
	"GET /approvals/{id}", "HEAD /approvals/{id}", "POST /approvals/{id}", // lead to the list
}

// elsewhere are words of the chat and parts of the domain that the table has no row for, each with the reason.
var elsewhere = map[string]string{
	"help": "for anybody", "link": "for those whom MyDB does not know yet", "confirm": "for those whom MyDB does not know yet",
	"Service.Do":           "what all commands go through",
	"Service.Collectable":  "tells whether Collect would work, for buttons",
	"Service.Decides":      "tells whether Decide could work, for buttons",
	"Service.DecidesAbout": "tells whether Decide could work, for buttons",
	"Service.Overlooks":    "tells what a page shows",
	"Service.Waiting":      "counts what Approvals lists",
	"Service.Grave":        "tells whether a page asks for the password again",
	"Service.StartLogin":   "is how the portal begins a session",
	"Service.RecordLogin":  "is how doors record a login",
}

// TestEveryRouteIsInTheTable fails when the portal has a route that no row of the table tries.
func TestEveryRouteIsInTheTable(t *testing.T) {
	w := newWorld(t)
	tried := slices.Clone(outside)
	for _, a := range acts() {
		for _, call := range a.api {
			tried = append(tried, routeOf("/api/v1", call))
		}
		for _, call := range a.pages {
			tried = append(tried, routeOf("", call))
		}
	}
	routes := w.portal.Routes()
	if len(routes) < 80 {
		t.Fatalf("only %d routes are known", len(routes))
	}
	for _, route := range routes {
		pattern := regexp.MustCompile("^" + regexp.MustCompile(`\\{[a-z]+\\}`).ReplaceAllString(regexp.QuoteMeta(strings.Replace(route, "HEAD ", "GET ", 1)), `[^/]+`) + "$")
		if !slices.Contains(outside, route) && !slices.ContainsFunc(tried, pattern.MatchString) {
			t.Errorf("nothing in the table tries %s", route)
		}
	}
}

func routeOf(prefix, call string) string {
	method, rest, _ := strings.Cut(call, " ")
	path, _, _ := strings.Cut(rest, " ")
	path, _, _ = strings.Cut(path, "?")
	return method + " " + prefix + path
}

// TestEveryWordIsInTheTable fails when the chat has a command that no row of the table tries.
func TestEveryWordIsInTheTable(t *testing.T) {
	var tried []string
	for _, a := range acts() {
		for _, text := range a.chat {
			word, _, _ := strings.Cut(text, " ")
			tried = append(tried, word)
		}
	}
	for _, c := range bot.NewGrammar(engine.BuiltIn()).Commands {
		if !c.Later && elsewhere[c.Name] == "" && !slices.Contains(tried, c.Name) {
			t.Errorf("nothing in the table says %s", c.Name)
		}
	}
}

// TestEveryCommandIsInTheTable reads the domain's source: its commands, and the methods of the service that are told who asks.
func TestEveryCommandIsInTheTable(t *testing.T) {
	named := map[string]bool{}
	for _, a := range acts() {
		for _, name := range a.core {
			named[name] = true
		}
	}
	there := domain(t)
	if len(there) < 60 {
		t.Fatalf("only %d commands and methods were found", len(there))
	}
	for _, name := range there {
		if !named[name] && elsewhere[name] == "" {
			t.Errorf("nothing in the table is about %s", name)
		}
		delete(named, name)
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if !slices.Contains([]string{"Service.Snippets", "Service.Catalogue", "Service.Paused", "Service.Announced", "Service.Person"}, name) {
			t.Errorf("the table is about %s, which the domain does not have", name)
		}
	}
}

// domain lists the exported commands of core, and the exported methods of its service that take an Actor or a Request.
func domain(t *testing.T) (names []string) {
	packages, err := parser.ParseDir(token.NewFileSet(), "../../core", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // files of one package are all that is read
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range packages["core"].Files {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil {
				continue
			}
			of := strings.TrimPrefix(typeName(f.Recv.List[0].Type), "*")
			switch {
			case f.Name.Name == "action" && ast.IsExported(of):
				names = append(names, of)
			case of == "Service" && f.Name.IsExported() && asks(f):
				names = append(names, "Service."+f.Name.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func asks(f *ast.FuncDecl) bool {
	return slices.ContainsFunc(f.Type.Params.List, func(p *ast.Field) bool {
		return typeName(p.Type) == "Actor" || typeName(p.Type) == "Request"
	})
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return "*" + typeName(e.X)
	}
	return ""
}

// acts are all rows of the table.
func acts() (all []act) {
	for _, s := range table {
		all = append(all, s.acts...)
	}
	return all
}
