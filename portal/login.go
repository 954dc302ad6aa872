package portal

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mydb-project/mydb/core"
)

// maxLogin is longer than any login name or mail address may be.
const maxLogin = 254

// authenticate checks a login and password, slows down guessing, and records the attempt.
func (s *Server) authenticate(r *http.Request, door core.Door, login, password string) (core.Person, error) {
	login = strings.TrimSpace(login)
	if login == "" || len(login) > maxLogin || plain(login) != login {
		return core.Person{}, core.Errorf(core.CodeUnauthenticated, "Enter the login name or mail address of your account, and its password.")
	}
	address := s.addressOf(r)
	done, err := s.logins.enter(r.Context(), login, address)
	if err != nil {
		return core.Person{}, err
	}
	person, err := s.directory.Authenticate(r.Context(), login, password)
	done(err == nil)
	if recordErr := s.recordLogin(r, person, door, address, login, err); recordErr != nil {
		return core.Person{}, recordErr
	}
	return person, err
}

// recordLogin writes attempts that were decided. When the directory did not answer, nobody was refused.
func (s *Server) recordLogin(r *http.Request, p core.Person, door core.Door, address, login string, err error) error {
	outcome := core.OutcomeDone
	if err != nil {
		if code := core.CodeOf(err); code != core.CodeUnauthenticated && code != core.CodeForbidden {
			return nil
		}
		outcome = core.OutcomeRefused
	}
	return s.service.RecordLogin(r.Context(), core.Request{Actor: core.Actor{Person: p}, Door: door, Address: address, Reference: visitOf(r).id}, login, outcome)
}

// scopeOf is what a person may do who has shown their password.
func scopeOf(p core.Person) core.Scope {
	if p.Admin {
		return core.ScopeAdmin
	}
	return core.ScopeOperate
}

// plain takes out what no name holds and Postgres may refuse to compare with, such as NUL.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}
