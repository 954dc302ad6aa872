package discordfake

// What goes wrong at the gateway, on demand.

// Drop cuts all connections to the gateway without a word. The sessions stay: who comes back resumes.
func (f *Fake) Drop() {
	f.eachSocket(func(s *socket) { s.end() })
}

// CloseGateway closes all connections with a code. Codes from 4000 to 4009 leave the sessions, but for 4004, 4007 and 4009.
func (f *Fake) CloseGateway(code int, reason string) {
	f.eachSocket(func(s *socket) {
		if code == closeAuthentication || code == closeInvalidSequence || code >= closeTimedOut {
			f.gateway.forget(s.session)
		}
		s.close(code, reason)
	})
}

// Reconnect asks all clients to come back, as Discord does several times a day (op 7).
func (f *Fake) Reconnect() {
	f.eachSocket(func(s *socket) { s.push(opReconnect, nil) })
}

// Invalidate tells all clients that their session is gone (op 9), and forgets it.
func (f *Fake) Invalidate() {
	f.eachSocket(func(s *socket) {
		f.gateway.forget(s.session)
		s.session = nil
		s.push(opInvalid, false)
	})
}

// ForgetSessions lets nobody resume: who tries is told so with op 9.
func (f *Fake) ForgetSessions() {
	f.lock(func() {
		f.gateway.sessions = nil
		for _, s := range f.gateway.sockets {
			s.session = nil
		}
	})
}

// Silence lets the connections that there are go dead: they stay open, and nothing is read, answered or sent on them any more. New
// connections work.
func (f *Fake) Silence() {
	f.eachSocket(func(s *socket) { s.silent = true })
}

// RefuseGateway lets nobody connect to the gateway, or lets them again. Connections that there are stay.
func (f *Fake) RefuseGateway(yes bool) { f.lock(func() { f.gateway.refuse = yes }) }

// DuplicateEvery sends every nth event twice; 0 ends that.
func (f *Fake) DuplicateEvery(n int) {
	f.lock(func() { f.gateway.duplicateEvery, f.gateway.dispatched = n, 0 })
}

// Reorder holds the next n events back until all are there, and sends them in reverse order.
func (f *Fake) Reorder(n int) { f.lock(func() { f.gateway.reorder = n }) }

func (f *Fake) eachSocket(do func(*socket)) {
	f.lock(func() {
		for _, s := range f.gateway.sockets {
			do(s)
		}
	})
}
