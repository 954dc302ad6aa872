// Package portal is MyDB's door for browsers and programs: pages, the REST API, health and metrics.
//
// The way through: portal.go puts the parts together and routes.go says which path leads where. A request passes the outer
// layers of middleware.go, then either api.go (a token, JSON in and out) or pages.go (a session, HTML in and out). Both turn
// what came in into a core.Request and show what core answers; no rule about databases is decided here. problem.go is the one
// place where errors become statuses. openapi.go describes the API from the table that also routes it.
//
// The pages are rendered on the server and need no JavaScript; where there is some, progress appears by itself.
package portal
