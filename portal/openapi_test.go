package portal

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gorilla/mux"

	"github.com/mydb-project/mydb/core"
)

// TestDescriptionMatchesRoutes holds the document to the OpenAPI rules, and to what the router really answers.
func TestDescriptionMatchesRoutes(t *testing.T) {
	s, err := New(Options{
		Service: core.New(core.Options{}), Sessions: core.Sessions{}, PublicURL: "http://localhost:8080", Log: slog.New(slog.DiscardHandler), Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(s.openapi)
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Validate(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, s.openapi)
	}
	var described, routed []string
	for path, item := range document.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	err = s.router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		template, _ := route.GetPathTemplate()
		path, isAPI := strings.CutPrefix(template, apiPrefix)
		if !isAPI {
			return nil
		}
		methods, err := route.GetMethods()
		for _, method := range methods {
			routed = append(routed, method+" "+path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(described)
	slices.Sort(routed)
	if !slices.Equal(described, routed) {
		t.Errorf("the description and the router differ:\ndescribed %s\nrouted    %s", described, routed)
	}
	if len(routed) < 10 || !slices.Contains(routed, http.MethodPost+" /databases") {
		t.Errorf("too few routes: %s", routed)
	}
}
