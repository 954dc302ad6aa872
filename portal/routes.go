package portal

import (
	"net/http"
	"slices"

	"github.com/gorilla/mux"
)

// routes says which path leads where.
func (s *Server) routes() *mux.Router {
	root := mux.NewRouter()
	root.NotFoundHandler = http.HandlerFunc(s.notFound)
	root.MethodNotAllowedHandler = http.HandlerFunc(s.notAllowed)
	root.Use(noteRoute, s.inTime)

	root.HandleFunc("/healthz", s.serveHealth).Methods(http.MethodGet, http.MethodHead)
	root.HandleFunc("/readyz", s.serveReady).Methods(http.MethodGet, http.MethodHead)
	root.Handle("/metrics", s.metrics.show).Methods(http.MethodGet)
	root.PathPrefix("/static/").HandlerFunc(s.serveStatic).Methods(http.MethodGet, http.MethodHead)
	root.HandleFunc("/ca.crt", s.serveCA).Methods(http.MethodGet, http.MethodHead)
	for _, e := range s.endpoints() {
		root.Handle(apiPrefix+e.path, s.door(e)).Methods(e.method)
	}
	for path, h := range s.chat {
		root.Handle(path, h).Methods(http.MethodPost)
	}
	use := s.useLinkEndpoint()
	root.Handle(use.path, s.door(use)).Methods(use.method).HeadersRegexp("Authorization", "(?i)^bearer ")
	s.pageRoutes(root)
	return root
}

// Routes lists all routes, as "METHOD /path/{item}", sorted and each once.
func (s *Server) Routes() (list []string) {
	_ = s.router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error { // the function gives no error
		path, err := route.GetPathTemplate()
		methods, _ := route.GetMethods()
		for _, m := range methods {
			if err == nil {
				list = append(list, m+" "+path)
			}
		}
		return nil
	})
	slices.Sort(list)
	return slices.Compact(list)
}

func (s *Server) pageRoutes(root *mux.Router) {
	open := root.NewRoute().Subrouter() // for anybody, with or without a session
	open.Use(s.sessions.LoadAndSave, noStore)
	open.HandleFunc("/login", s.showLogin).Methods(http.MethodGet, http.MethodHead)
	open.HandleFunc("/login", s.login).Methods(http.MethodPost)
	open.HandleFunc("/logout", s.logout).Methods(http.MethodPost)

	mine := root.NewRoute().Subrouter() // for those who are logged in
	mine.Use(s.sessions.LoadAndSave, noStore, s.needLogin)
	page := func(path string, h pageHandler) {
		mine.Handle(path, s.page(h)).Methods(http.MethodGet, http.MethodHead)
	}
	post := func(path string, h pageHandler) { mine.Handle(path, s.page(h)).Methods(http.MethodPost) }
	page("/", s.listPage)
	page("/databases.csv", s.listCSV)
	page("/databases/new", s.newPage)
	post("/databases/new", s.create)
	page("/import", s.importPage)
	mine.Handle("/import", s.unread(s.importForm)).Methods(http.MethodPost)
	page("/databases/{name}", s.databasePage)
	mine.Handle("/databases/{name}/progress", s.page(s.progress)).Methods(http.MethodGet)
	post("/databases/{name}/credentials", s.reveal)
	post("/databases/{name}/restart", s.give(restartForm))
	post("/databases/{name}/stop", s.give(stopForm))
	post("/databases/{name}/start", s.give(startForm))
	post("/databases/{name}/rotate", s.give(rotateForm))
	post("/databases/{name}/resize", s.give(resizeForm))
	post("/databases/{name}/extend", s.give(extendForm))
	post("/classes/{name}/credentials", s.classCredentials)
	post("/databases/{name}/describe", s.give(describeForm))
	post("/databases/{name}/share", s.give(shareForm))
	post("/databases/{name}/unshare", s.give(unshareForm))
	post("/databases/{name}/transfer", s.give(transferForm))
	post("/databases/{name}/account-add", s.give(addAccountForm))
	post("/databases/{name}/account-remove", s.give(removeAccountForm))
	post("/databases/{name}/account-rotate", s.give(rotateAccountForm))
	post("/databases/{name}/account-credentials", s.revealAccount)
	post("/databases/{name}/delete", s.fresh(s.give(deleteForm)))
	post("/databases/{name}/undelete", s.give(undeleteForm))
	page("/approvals", s.approvalsPage)
	page("/approvals/{id}", s.freshWhen(s.graveApproval, s.toApproval))
	post("/approvals/{id}", s.freshWhen(s.graveApproval, s.toApproval))
	post("/approvals/{id}/approve", s.freshWhen(s.graveApproval, s.decide(true)))
	post("/approvals/{id}/deny", s.decide(false))
	post("/approvals/{id}/withdraw", s.withdraw)
	page("/notifications", s.lettersPage)
	post("/notifications/{id}/retry", s.retryLetter)
	page("/databases/{name}/report", s.reportPage)
	page("/databases/{name}/logs", s.logsPage)
	page("/findings", s.findingsPage)
	post("/site/pause", s.pauseForm(true))
	post("/site/resume", s.pauseForm(false))
	page("/account", s.accountPage)
	post("/account/tokens", s.makeToken)
	post("/account/tokens/{id}/revoke", s.revokeToken)
	post("/account/sessions/{id}/revoke", s.revokeSession)
	post("/account/sessions/revoke-others", s.revokeOtherSessions)
	post("/account/mail", s.chooseMail)
	post("/account/chat/code", s.linkCode)
	post("/account/chat/unlink", s.unlinkChat)
	page("/help", s.helpPage)
	s.backupRoutes(page, post)
}

// backupRoutes are the pages about backups, and about what was done.
func (s *Server) backupRoutes(page, post func(path string, h pageHandler)) {
	page("/backups", s.historyPage)
	page("/backups.csv", s.historyCSV)
	page("/history", s.runsPage)
	page("/history.csv", s.runsCSV)
	page("/audit", s.auditTrailPage)
	page("/audit.csv", s.auditCSV)
	page("/audit.json", s.auditJSON)
	page("/databases/{name}/timeline", s.timelinePage)
	post("/databases/{name}/backup", s.give(backupForm))
	post("/databases/{name}/verify", s.give(verifyForm))
	post("/databases/{name}/pin", s.give(pinForm))
	post("/databases/{name}/restore", s.freshWhen(graveRestore, s.restore))
	post("/databases/{name}/download", s.download)
	page("/links/{link}", s.linkPage)
	post("/links/{link}", s.openLink)
	post("/links/{link}/revoke", s.revokeLink)
	post("/databases/{name}/undo", s.fresh(s.give(undoForm)))
	page("/recovery", s.recoveryPage)
	post("/recovery/accept", s.fresh(s.acceptRecovery))
	page("/store/orphans", s.orphansPage)
	page("/store/orphans.csv", s.orphansCSV)
}

// noStore keeps pages, which are about one person, out of caches and out of the history of a shared computer.
func noStore(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
