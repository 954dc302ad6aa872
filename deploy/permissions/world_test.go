// Package permissions_test lists who may do what, in one table, and tries it through every door.
package permissions_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/policy"
	"github.com/mydb-project/mydb/portal"
)

// The relations that somebody has to a database. A group is one whose lead they are, if they are a lead.
const (
	owner    = "owner"
	reader   = "reader"
	writer   = "writer"
	group    = "group"
	stranger = "stranger"
)

// column is somebody of a role, with a relation to the databases of the world. Without one it is about the site, or about themselves.
type column struct {
	role     core.Role
	relation string
	scope    core.Scope // of the token that they use; empty: they come with all that they may
}

// logins are those of the roles, and scopes what tokens they have.
var (
	logins = map[core.Role]string{core.RoleUser: "uma", core.RoleLead: "lea", core.RoleAuditor: "audrey", core.RoleAdmin: "ada"}
	scopes = map[core.Role]core.Scope{core.RoleUser: core.ScopeOperate, core.RoleLead: core.ScopeOperate, core.RoleAuditor: core.ScopeRead, core.RoleAdmin: core.ScopeAdmin}
	roles  = []core.Role{core.RoleUser, core.RoleLead, core.RoleAuditor, core.RoleAdmin}
)

// relations are those that somebody of a role may have.
func relations(r core.Role) []string {
	if r == core.RoleLead {
		return []string{owner, reader, writer, group, stranger}
	}
	return []string{owner, reader, writer, stranger}
}

// world is a site in which everything is there that something can be done with. Nothing runs: queues take jobs, and nobody does them.
type world struct {
	*testing.T
	service *core.Service
	root    *pgxpool.Pool // as who owns the schema: puts things back
	portal  *portal.Server
	desk    *bot.Desk
	people  map[string]core.Actor
	tokens  map[string]string       // of the API, by login, and by login and scope
	cookies map[string]*http.Cookie // of sessions, by login
	things  map[string]string       // what placeholders stand for
	fresh   int
}

type silent struct{}

func (silent) Logs(context.Context, string, int) (string, error) { return "a line", nil }

func newWorld(t *testing.T) *world {
	ownerURL, appURL := coretest.Database(t)
	relaxed(t, ownerURL)
	w := &world{T: t, root: coretest.Pool(t, ownerURL), people: map[string]core.Actor{}, tokens: map[string]string{}, cookies: map[string]*http.Cookie{}, things: map[string]string{}}
	objects := coretest.Folder(t, t.TempDir())
	rules := policy.Default().Policy
	rules.Roles = policy.Roles{Auditors: []string{"auditors"}, Leads: map[string][]string{"genomics": {"genomics-leads"}}}
	pool := coretest.Pool(t, appURL)
	w.service = coretest.Service(t, pool, core.Options{
		Backups: core.Backups{On: true}, Objects: objects, Policy: rules, Inspector: silent{}, Ports: core.PortRange{First: 18010, Last: 19509},
	})
	if err := w.service.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	w.desk = bot.NewDesk(bot.New(bot.Options{Service: w.service, PublicURL: origin, Log: log}), nil)
	var err error
	w.portal, err = portal.New(portal.Options{
		Service: w.service, Directory: w, Sessions: w.service.Sessions(), Console: console{w}, PublicURL: origin, Log: log, Version: "test",
		CA: func(context.Context) ([]byte, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.portal.Close)
	w.populate()
	w.furnish(pool, objects)
	return w
}

// relaxed lets a database answer before its disk has: thousands of tries follow, and nobody needs them after a crash. It holds for
// connections made later.
func relaxed(t *testing.T, ownerURL string) {
	conn, err := pgx.Connect(t.Context(), ownerURL)
	if err == nil {
		_, err = conn.Exec(t.Context(), "do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$")
		_ = conn.Close(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Authenticate implements core.Directory: everybody's password is their login.
func (w *world) Authenticate(_ context.Context, login, password string) (core.Person, error) {
	if a, known := w.people[login]; known && password == login {
		return a.Person, nil
	}
	return core.Person{}, core.Errorf(core.CodeUnauthenticated, "This login and password do not fit together.")
}

// Lookup implements core.Directory.
func (w *world) Lookup(_ context.Context, login string) (core.Account, error) {
	a := w.people[login]
	return core.Account{Login: login, Name: login, Admin: a.Admin, Groups: a.Groups}, nil
}

// console is the chat grammar over the API.
type console struct{ *world }

func (c console) Run(context.Context, core.Request, string) (portal.ConsoleReply, error) {
	return portal.ConsoleReply{Text: "understood"}, nil
}

// populate makes the people, each with a token and an identity in a chat.
func (w *world) populate() {
	for login, groups := range map[string][]string{
		"uma": {}, "lea": {"genomics-leads"}, "audrey": {"auditors"}, "ada": {}, "olive": {"genomics"}, "oscar": {}, "pat": {}, "paul": {},
	} {
		p, err := w.service.SavePerson(w.Context(), core.Account{Login: login, Email: login + "@example.com", Name: login, Admin: login == "ada", Groups: groups})
		w.must(err)
		w.people[login] = core.Actor{Person: p, Scope: core.ScopeAdmin}
		w.sql("insert into chat_identities (platform, team, user_id, person_id, name, how) values ('slack', 'T1', $1, $2, $3, 'code')", "U-"+login, p.ID, login)
	}
	for role, login := range logins {
		_, secret, err := w.service.MakeToken(w.Context(), w.request(login), core.NewToken{Name: "of the table", Scope: scopes[role]})
		w.must(err)
		w.tokens[login] = secret
		w.logIn(login)
	}
	for _, c := range tokenColumns {
		_, secret, err := w.service.MakeToken(w.Context(), w.request(logins[c.role]), core.NewToken{Name: "of the table", Scope: c.scope})
		w.must(err)
		w.tokens[logins[c.role]+string(c.scope)] = secret
	}
}

// furnish makes what things are done with, all of it olive's.
func (w *world) furnish(pool *pgxpool.Pool, objects core.Objects) {
	olive := w.people["olive"]
	for thing, name := range map[string]string{"db": "genomes", "stopped": "halted", "trashed": "binned", "doomed": "doomed"} {
		r := w.do(olive, core.Create{Name: name, Engine: "postgres"})
		w.things[thing], w.things[thing+"_id"] = name, r.Database.ID
		if thing == "db" {
			w.things["operation"] = r.Operation.ID
		}
	}
	w.sql("update operations set state = 'done', finished_at = now()")
	w.sql("update instances set state = 'ready', node_id = 'n1', host = '127.0.0.1', ready_at = now() where owner_id = $1", olive.ID)
	for _, thing := range []string{"db", "stopped", "trashed", "doomed"} {
		for _, login := range append([]string{"pat"}, logins[core.RoleUser], logins[core.RoleLead], logins[core.RoleAuditor], logins[core.RoleAdmin]) {
			w.do(olive, core.Share{On: core.On{Database: w.things[thing]}, With: login})
			w.sql("update operations set state = 'done', finished_at = now()")
		}
	}
	w.do(olive, core.AddAccount{On: core.On{Database: "genomes"}, Account: "nightly"})
	w.things["account"] = "nightly"
	w.sql("update operations set state = 'done', finished_at = now()")
	backup := w.do(olive, core.MakeBackup{On: core.On{Database: "genomes"}})
	i, err := w.service.Instance(w.Context(), olive, "genomes")
	w.must(err)
	w.things["backup"] = coretest.Backed(w, w.service, pool, objects, backup.Operation.ID, i, coretest.Part{File: "genomes.dump", Content: "content"}).ID
	w.things["approval"] = w.do(olive, core.Delete{On: core.On{Database: "doomed"}}).Approval.ID
	w.sql("update accounts set made_at = now()")
	w.sql(`update instances set state = 'stopped', stopped_at = now(), stopped_why = 'owner' where name = 'halted'`)
	w.sql(`update instances set state = 'trashed', trashed_at = now(), purge_at = now() + interval '7 days' where name = 'binned'`)
	w.sql(`update instances set class = 'course' where name = 'genomes'`)
	w.things["class"] = "course"
	w.sql("create schema kept")
	w.sql("create table kept.instances as select * from public.instances")
	w.sql("create table kept.accounts as select * from public.accounts")
	w.sql("create table kept.secrets as select * from public.secrets")
	w.sql("create table kept.approvals as select * from public.approvals")
}

// relate gives somebody a relation to all databases. Those that are not theirs are of somebody in the group that the lead leads, or not.
func (w *world) relate(c column) {
	login, relation := logins[c.role], c.relation
	w.things["scope"] = string(c.scope)
	w.things["owner"] = "oscar"
	switch relation {
	case owner:
		w.things["owner"] = login
	case group:
		w.things["owner"] = "olive"
	}
	w.things["right"] = relation
	w.things["me"] = login
}

// putBack undoes what a try has changed, and gives the person their relation anew.
func (w *world) putBack() {
	me, of := w.people[w.things["me"]].ID, w.people[w.things["owner"]].ID
	shared := w.things["right"] == reader || w.things["right"] == writer
	var b pgx.Batch
	b.Queue("update operations set state = 'done', finished_at = now() where finished_at is null")
	b.Queue(`update instances i set state = k.state, size = k.size, owner_id = $1, stopped_at = k.stopped_at, stopped_why = k.stopped_why, trashed_at = k.trashed_at,
		purge_at = k.purge_at, generation = k.generation, phi = k.phi, expires_at = k.expires_at from kept.instances k where k.id = i.id`, of)
	b.Queue("update instances set state = 'failed', ended_at = now() where ended_at is null and id not in (select id from kept.instances)")
	b.Queue("update operations set requested_by = $1 where id = $2", of, w.things["operation"])
	b.Queue("delete from secrets")
	b.Queue("delete from accounts where id not in (select id from kept.accounts)")
	b.Queue(`update accounts a set revoked_at = case when a.person_id = $1 and not $2 then now() end, ends_at = k.ends_at, made_at = k.made_at,
		writes = case when a.person_id = $1 then $3 else k.writes end from kept.accounts k where k.id = a.id`, me, shared, w.things["right"] == writer)
	b.Queue("insert into secrets (instance_id, kind, sealed, created_at) select instance_id, kind, sealed, created_at from kept.secrets")
	b.Queue("update approvals set state = 'withdrawn', decided_at = now() where state = 'pending' and id not in (select id from kept.approvals)")
	b.Queue("update approvals a set state = k.state, decided_by = null, decided_at = null, decision = '', operation_id = null, requested_by = $1, basis = null from kept.approvals k where k.id = a.id", of)
	b.Queue("delete from kept_volumes")
	b.Queue("update backups set pinned_at = null, pinned_by = null, pin_note = ''")
	b.Queue("delete from site where key in ('paused', 'announcement')")
	b.Queue("delete from recoveries")
	b.Queue("delete from uploads")
	b.Queue("delete from mail_preferences")
	b.Queue("delete from logins where id = 'session-1'")
	b.Queue("update logins set ended_at = null where ended_at is not null")
	b.Queue("insert into chat_identities (platform, team, user_id, person_id, name, how) values ('slack', 'T1', $1, $2, $3, 'code') on conflict do nothing", "U-"+w.things["me"], me, w.things["me"])
	w.must(w.root.SendBatch(w.Context(), &b).Close())
	w.things["audit"] = w.scalar("select coalesce(max(id), 0)::text from audit")
}

// link makes a link to a password of the owner's, with a token that is known.
func (w *world) link(kind string) {
	w.fresh++
	token := fmt.Sprintf("%032d", w.fresh)
	hash := sha256.Sum256([]byte(token))
	id := fmt.Sprintf("link-%d", w.fresh)
	backup := w.things["backup"]
	w.sql(`insert into links (id, kind, instance_id, backup_id, person_id, hash, created_at, expires_at) values ($1, $2, $3, case when $2 = 'download' then $4 end, $5, $6, now(), now() + interval '1 hour')`,
		id, kind, w.things["db_id"], backup, w.people[w.things["owner"]].ID, hash[:])
	w.things["link"], w.things["link_id"] = token, id
}

// fill replaces the placeholders of a text. {new} is a name that nothing has.
func (w *world) fill(text string) string {
	if strings.Contains(text, "{new}") {
		w.fresh++
		text = strings.ReplaceAll(text, "{new}", fmt.Sprintf("new-%d", w.fresh))
	}
	for thing, is := range w.things {
		text = strings.ReplaceAll(text, "{"+thing+"}", is)
	}
	return text
}

func (w *world) do(who core.Actor, c core.Command) core.Receipt {
	w.Helper()
	r, err := w.service.Do(w.Context(), core.Request{Actor: who, Door: core.DoorAPI, Command: c})
	w.must(err)
	return r
}

// request is one of somebody through no door.
func (w *world) request(login string) core.Request {
	return core.Request{Actor: w.people[login], Door: core.DoorTerminal, Address: "192.0.2.1", Reference: "r-" + login}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) sql(sql string, args ...any) {
	w.Helper()
	if _, err := w.root.Exec(w.Context(), sql, args...); err != nil {
		w.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) scalar(sql string, args ...any) (out string) {
	w.Helper()
	w.must(w.root.QueryRow(w.Context(), sql, args...).Scan(&out))
	return out
}

// patience is for the whole of a try: nothing takes long.
const patience = 30 * time.Second
