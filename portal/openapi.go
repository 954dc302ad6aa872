package portal

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/swaggest/openapi-go"
	"github.com/swaggest/openapi-go/openapi3"
)

// The names of the ways to be recognised, in the API's description.
const (
	bearerSecurity = "token"
	basicSecurity  = "password"
)

// describe writes the OpenAPI document of the endpoints.
func describe(endpoints []endpoint, origin, version string) ([]byte, error) {
	r := openapi3.NewReflector()
	about := "Self-service databases. Times are RFC 3339 in UTC, sizes are bytes. Errors carry a code for programs and a sentence for people."
	r.Spec.Info.WithTitle("MyDB").WithVersion(version).WithDescription(about)
	r.Spec.WithServers(openapi3.Server{URL: origin + apiPrefix})
	r.Spec.SetHTTPBearerTokenSecurity(bearerSecurity, "mydb_...", "A token from the account page or from POST /tokens")
	r.Spec.SetHTTPBasicSecurity(basicSecurity, "Login and password; only to make a token")
	for _, e := range endpoints {
		if err := e.describe(r); err != nil {
			return nil, fmt.Errorf("describe %s %s: %w", e.method, e.path, err)
		}
	}
	document, err := json.MarshalIndent(r.Spec, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode the API's description: %w", err)
	}
	return document, nil
}

func (e endpoint) describe(r *openapi3.Reflector) error {
	oc, err := r.NewOperationContext(e.method, e.path)
	if err != nil {
		return err
	}
	oc.SetID(e.id)
	oc.SetSummary(e.summary)
	oc.SetDescription(e.about)
	errors := slices.Clone(e.errors)
	if e.entry != forAnybody {
		oc.AddSecurity(bearerSecurity)
		errors = append(errors, http.StatusUnauthorized)
	}
	if e.entry == withTokenOrPassword {
		oc.AddSecurity(basicSecurity)
	}
	for _, in := range e.in {
		oc.AddReqStructure(in)
	}
	success := []openapi.ContentOption{openapi.WithHTTPStatus(e.status)}
	if e.mime != "" {
		success = append(success, openapi.WithContentType(e.mime))
	}
	oc.AddRespStructure(e.out, success...)
	for _, status := range errors {
		oc.AddRespStructure(errorBody{}, openapi.WithHTTPStatus(status))
	}
	oc.AddRespStructure(errorBody{}, func(cu *openapi.ContentUnit) { cu.IsDefault = true })
	return r.AddOperation(oc)
}
