// Package directorytest says what every directory must do, whoever keeps its accounts.
package directorytest

import (
	"context"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
)

// Directory is one to be tested, with what is in it.
type Directory struct {
	core.Directory
	Service *core.Service // whose catalogue the people get into
	// Login, Mail and Password are of somebody who may log in.
	Login, Mail, Password string
	// Gone may not log in any more, with the same password.
	Gone string
}

// Test tests a directory.
func Test(t *testing.T, d Directory) {
	t.Run("logins", func(t *testing.T) { logins(t, d) })
	t.Run("refusals", func(t *testing.T) { refusals(t, d) })
	t.Run("look-ups", func(t *testing.T) { lookups(t, d) })
	t.Run("an end", func(t *testing.T) { end(t, d) })
}

// logins by name and mail address, in any case, are one person's, who is in the catalogue afterwards.
func logins(t *testing.T, d Directory) {
	ids := map[string]bool{}
	for _, login := range []string{d.Login, strings.ToUpper(d.Login), d.Mail, strings.ToUpper(d.Mail)} {
		p, err := d.Authenticate(t.Context(), login, d.Password)
		if err != nil || p.Login != d.Login || p.Email == nil || *p.Email != d.Mail || p.DisabledAt != nil {
			t.Errorf("%q: %+v, %v", login, p, err)
			continue
		}
		ids[p.ID] = true
		if known, err := d.Service.Person(t.Context(), p.ID); err != nil || known.Login != d.Login {
			t.Errorf("%q in the catalogue: %+v, %v", login, known, err)
		}
	}
	if len(ids) != 1 {
		t.Errorf("that are %d people", len(ids))
	}
}

// refusals of unknown names, wrong passwords and what somebody only tries read the same.
func refusals(t *testing.T, d Directory) {
	long := strings.Repeat("x", 4096)
	said := map[string]bool{}
	for _, c := range []struct{ login, password string }{
		{d.Login, d.Password + "x"},
		{d.Login, ""},
		{d.Login, long},
		{d.Login, d.Password + "\x00"},
		{d.Login, "\x00"},
		{d.Login + "\x00", d.Password},
		{"nobody-" + d.Login, d.Password},
		{"", d.Password},
		{"", ""},
		{"*", d.Password},
		{"*)(uid=*", d.Password},
		{d.Login + ")(|(uid=*", d.Password},
		{d.Login[:2] + "*", d.Password},
		{d.Login[:2] + "%", d.Password},
		{"' or 1=1 --", d.Password},
		{d.Login + "\n", d.Password + "\n"},
		{long, d.Password},
		{"\xff\xfe", d.Password},
	} {
		p, err := d.Authenticate(t.Context(), c.login, c.password)
		if core.CodeOf(err) != core.CodeUnauthenticated {
			t.Errorf("%.40q with %.20q: %+v, %v", c.login, c.password, p, err)
			continue
		}
		said[err.Error()] = true
	}
	if len(said) > 1 {
		t.Errorf("refusals differ: %v", said)
	}
	_, err := d.Authenticate(t.Context(), d.Gone, d.Password)
	if code := core.CodeOf(err); code != core.CodeForbidden && code != core.CodeUnauthenticated {
		t.Errorf("somebody who may not log in any more: %v", err)
	}
}

// lookups by login name give the account, or say that it is gone.
func lookups(t *testing.T, d Directory) {
	for _, login := range []string{d.Login, strings.ToUpper(d.Login)} {
		if a, err := d.Lookup(t.Context(), login); err != nil || a.Login != d.Login || a.Email != d.Mail {
			t.Errorf("%q: %+v, %v", login, a, err)
		}
	}
	for _, login := range []string{"nobody-" + d.Login, "", "*", "*)(uid=*", d.Login[:2] + "*", d.Login + "\x00", strings.Repeat("x", 4096), "\xff"} {
		if a, err := d.Lookup(t.Context(), login); core.CodeOf(err) != core.CodeNotFound {
			t.Errorf("%.40q: %+v, %v", login, a, err)
		}
	}
	_, err := d.Lookup(t.Context(), d.Gone)
	if code := core.CodeOf(err); code != core.CodeForbidden && code != core.CodeNotFound {
		t.Errorf("somebody who may not log in any more: %v", err)
	}
}

// end of the caller's patience: no answer is no refusal.
func end(t *testing.T, d Directory) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.Authenticate(ctx, d.Login, d.Password)
	if code := core.CodeOf(err); err == nil || code == core.CodeUnauthenticated || code == core.CodeForbidden {
		t.Errorf("login: %v", err)
	}
	_, err = d.Lookup(ctx, d.Login)
	if code := core.CodeOf(err); err == nil || code == core.CodeNotFound || code == core.CodeForbidden {
		t.Errorf("look-up: %v", err)
	}
}
