package permissions_test

import (
	"context"
	"strings"
	"time"

	"github.com/mydb-project/mydb/core"
)

// upload puts an upload of the person's there.
func upload(w *world) {
	w.sql(`insert into uploads (id, person_id, name, engine, format, size, unpacked, whole, arrived_at, ends_at)
		values ('upload-1', $1, 'x.sql', 'postgres', 'sql', 1, 1, true, now(), now() + interval '1 hour')`, w.people[w.things["me"]].ID)
}

// dump is a file that can be uploaded.
const dump = "--\n-- PostgreSQL database dump\n--\nselect 1;\n--\n-- PostgreSQL database dump complete\n--\n"

var createActs = []act{
	{
		name: "Create a database", core: []string{"Create"}, trail: "create", about: true,
		domain: command(func(w *world, _ core.On) core.Command { return core.Create{Name: w.fill("{new}"), Engine: "postgres"} }),
		api:    []string{`POST /databases {"name": "{new}", "engine": "postgres"}`}, pages: []string{"POST /databases/new name={new}&engine=postgres"}, chat: []string{"create postgres {new}"},
	}, {
		name: "Create one for somebody else", core: []string{"Create"}, trail: "create", about: true,
		domain: command(func(w *world, _ core.On) core.Command {
			return core.Create{Name: w.fill("{new}"), Engine: "postgres", Owner: "paul"}
		}),
		api: []string{`POST /databases {"name": "{new}", "engine": "postgres", "owner": "paul"}`}, pages: []string{"POST /databases/new name={new}&engine=postgres&owner=paul"},
	}, {
		name: "Create a class", core: []string{"Class"}, trail: "c", about: true, // an entry for each database
		domain: command(func(w *world, _ core.On) core.Command {
			return core.Class{Create: core.Create{Name: w.fill("{new}"), Engine: "postgres"}, Count: 2}
		}),
		api: []string{`POST /classes {"name": "{new}", "engine": "postgres", "count": 2}`}, pages: []string{"POST /databases/new name={new}&engine=postgres&count=2"}, chat: []string{"class postgres {new} 2"},
	}, {
		name: "Import an upload of one's own", core: []string{"Import", "Service.CheckImport"}, trail: "import", about: true, arrange: upload,
		domain: command(func(w *world, _ core.On) core.Command {
			return core.Import{Create: core.Create{Name: w.fill("{new}")}, Upload: "upload-1"}
		}),
		api: []string{`POST /imports {"name": "{new}", "upload": "upload-1"}`}, pages: []string{"POST /import name={new}&upload=upload-1"},
	}, {
		name: "Upload a dump", core: []string{"Service.Upload"}, trail: "upload", about: true,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.Upload(ctx, r, "x.sql", strings.NewReader(dump), 0)
			return err
		},
		api: []string{"POST /imports/uploads?name=x.sql " + dump},
	}, {
		name: "Remove an upload of one's own", core: []string{"Service.RemoveUpload"}, trail: "upload.remove", about: true, arrange: upload,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			return w.service.RemoveUpload(ctx, r, "upload-1")
		},
		api: []string{"DELETE /imports/uploads/upload-1"},
	},
}

// reads makes the domain's door of a function that only reads.
func reads(read func(ctx context.Context, s *core.Service, a core.Actor) error) func(context.Context, *world, core.Request) error {
	return func(ctx context.Context, w *world, r core.Request) error { return read(ctx, w.service, r.Actor) }
}

var listActs = []act{
	{
		name: "List one's own databases, and what is shared with one", core: []string{"Service.Instances", "Service.Search"},
		domain: reads(func(ctx context.Context, s *core.Service, a core.Actor) error {
			_, _, err := s.Instances(ctx, a, false, page)
			return err
		}),
		api: []string{"GET /databases"}, pages: []string{"GET /", "GET /databases.csv"}, chat: []string{"list"},
	}, {
		name: "List what others have", core: []string{"Service.Instances", "Service.Search"},
		domain: reads(func(ctx context.Context, s *core.Service, a core.Actor) error {
			_, _, err := s.Search(ctx, a, core.Filter{All: true}, page)
			return err
		}),
		api: []string{"GET /databases?all=true"}, pages: []string{"GET /?all=true", "GET /databases.csv?all=true"}, chat: []string{"list all"},
	}, {
		name: "See what was done with one's own backups", core: []string{"Service.Runs", "Service.BackupHistory"},
		domain: reads(func(ctx context.Context, s *core.Service, a core.Actor) error {
			_, _, err := s.Runs(ctx, a, core.RunFilter{}, page)
			return err
		}),
		api: []string{"GET /history", "GET /backups"}, pages: []string{"GET /history", "GET /history.csv", "GET /backups", "GET /backups.csv"}, chat: []string{"history"},
	}, {
		name: "See what was done with those of others", core: []string{"Service.Runs", "Service.BackupHistory"},
		domain: reads(func(ctx context.Context, s *core.Service, a core.Actor) error {
			if _, _, err := s.BackupHistory(ctx, a, core.BackupFilter{All: true}, page); err != nil {
				return err
			}
			_, _, err := s.Runs(ctx, a, core.RunFilter{All: true}, page)
			return err
		}),
		api: []string{"GET /history?all=true", "GET /backups?all=true"}, pages: []string{"GET /history?all=true", "GET /backups?all=true"}, chat: []string{"history all"},
	}, {
		name: "List approvals that concern one", core: []string{"Service.Approvals"},
		domain: reads(func(ctx context.Context, s *core.Service, a core.Actor) error {
			_, err := s.Approvals(ctx, a, false)
			return err
		}),
		api: []string{"GET /approvals"}, pages: []string{"GET /approvals"}, chat: []string{"approvals"},
	}, {
		name: "List one's own uploads and links", core: []string{"Service.Uploads", "Service.Links"},
		domain: reads(func(ctx context.Context, s *core.Service, a core.Actor) error {
			if _, err := s.Links(ctx, a, ""); err != nil {
				return err
			}
			_, err := s.Uploads(ctx, a)
			return err
		}),
		api: []string{"GET /links", "GET /imports/uploads"},
	}, {
		name: "See what may be asked for", core: []string{"Service.Catalogue"},
		api: []string{"GET /catalogue"}, pages: []string{"GET /databases/new", "GET /import"}, chat: []string{"import"},
	},
}

var siteActs = []act{
	{
		name: "Read the audit trail", core: []string{"Service.AuditTrail", "Service.Audit"},
		domain: reads(func(ctx context.Context, s *core.Service, a core.Actor) error {
			_, err := s.Audit(ctx, a, 5)
			return err
		}),
		api: []string{"GET /audit?limit=5", "GET /audit?format=csv&database={db}&actor=pat"}, pages: []string{"GET /audit?limit=5", "GET /audit.csv?actor=pat", "GET /audit.json?actor=pat"}, chat: []string{"audit"},
	}, {
		name: "Read the findings", core: []string{"Service.Findings"},
		domain: reads(func(ctx context.Context, s *core.Service, a core.Actor) error {
			_, _, err := s.Findings(ctx, a, true, page)
			return err
		}),
		api: []string{"GET /findings"}, pages: []string{"GET /findings"},
	}, {
		name: "See the backups of MyDB's own database, and its recoveries", core: []string{"Service.CatalogueBackups", "Service.Recoveries"},
		domain: reads(func(ctx context.Context, s *core.Service, a core.Actor) error {
			if _, _, err := s.CatalogueBackups(ctx, a, page); err != nil {
				return err
			}
			_, err := s.Recoveries(ctx, a)
			return err
		}),
		api: []string{"GET /catalogue-backups", "GET /recoveries"}, pages: []string{"GET /recovery"},
	}, {
		name: "See what lies in the store and belongs to nothing", core: []string{"Service.Orphans"},
		domain: reads(func(ctx context.Context, s *core.Service, a core.Actor) error {
			_, _, _, err := s.Orphans(ctx, a, page)
			return err
		}),
		api: []string{"GET /store/orphans"}, pages: []string{"GET /store/orphans", "GET /store/orphans.csv"},
	}, {
		name: "See how the whole site is doing", chat: []string{"site"},
	}, {
		name: "See whether the site is paused, and what is announced", core: []string{"Service.Paused", "Service.Announced"},
		api: []string{"GET /site", "GET /announcement"}, chat: []string{"announce"},
	}, {
		name: "Announce something", core: []string{"Service.Announce"}, trail: "site.announce",
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.Announce(ctx, r, "maintenance", time.Hour)
			return err
		},
		api: []string{`PUT /announcement {"text": "maintenance", "seconds": 7200}`}, chat: []string{`announce "maintenance" until=2h`},
	}, {
		name: "Pause the site", core: []string{"Service.SetPause"}, trail: "site.pause",
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.SetPause(ctx, r, true, "")
			return err
		},
		api: []string{"POST /site/pause"}, pages: []string{"POST /site/pause"},
	}, {
		name: "End a pause", core: []string{"Service.SetPause"}, trail: "site.resume",
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.SetPause(ctx, r, false, "")
			return err
		},
		api: []string{"POST /site/resume"}, pages: []string{"POST /site/resume"},
		arrange: func(w *world) {
			w.sql(`insert into site (key, value, sealed) values ('paused', '{"by": "pat", "at": "2026-01-01T00:00:00Z"}', false)`)
		},
	}, {
		name: "Accept a recovery", core: []string{"Service.AcceptRecovery"}, trail: "recovery.accept",
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.AcceptRecovery(ctx, r)
			return err
		},
		api: []string{"POST /recovery/accept"}, pages: []string{"POST /recovery/accept"},
		arrange: func(w *world) { w.sql("insert into recoveries (id, at) values ('r1', now())") },
	}, {
		name: "Read what people were told", core: []string{"Service.Letters", "Service.Undelivered"},
		domain: reads(func(ctx context.Context, s *core.Service, a core.Actor) error {
			if _, err := s.Undelivered(ctx, a); err != nil {
				return err
			}
			_, _, err := s.Letters(ctx, a, "", page)
			return err
		}),
		api: []string{"GET /notifications"}, pages: []string{"GET /notifications"},
	}, {
		name: "Send a notification again", core: []string{"Service.RetryLetter"}, trail: "notification.retry", about: true,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.RetryLetter(ctx, r, "letter-1")
			return err
		},
		api: []string{"POST /notifications/letter-1/retry"}, pages: []string{"POST /notifications/letter-1/retry"},
		arrange: func(w *world) {
			w.sql("delete from notifications where id = 'letter-1'")
			w.sql(`insert into notifications (id, dedupe, kind, channel, audience, address, data, state) values ('letter-1', 'letter-1', 'trashed', 'mail', 'owner', 'pat@example.com', '{}', 'failed')`)
		},
	},
}

// tokenOf puts a token of somebody's there.
func tokenOf(mine bool) func(w *world) {
	return func(w *world) {
		w.fresh++
		w.things["token"] = w.fill("token-{new}")
		of := w.people["paul"]
		if mine {
			of = w.people[w.things["me"]]
		}
		w.sql("insert into tokens (id, person_id, name, scope, hash, expires_at) values ($1, $2, 'x', 'read', decode(md5($1), 'hex'), now() + interval '1 day')", w.things["token"], of.ID)
	}
}

// session puts another session of the person's there.
func session(w *world) {
	w.sql(`insert into logins (id, person_id, device, address, started_at, seen_at, confirmed_at) values ('session-1', $1, 'a browser', '192.0.2.9', now(), now(), now())`,
		w.people[w.things["me"]].ID)
}

var accountActs = []act{
	{
		name: "See who one is", core: []string{"Service.Quotas", "Service.Identities", "Service.Person"},
		api: []string{"GET /me"}, pages: []string{"GET /account", "GET /help"}, chat: []string{"whoami"},
	}, {
		name: "List one's own tokens", core: []string{"Service.Tokens"},
		domain: reads(func(ctx context.Context, s *core.Service, a core.Actor) error {
			_, err := s.Tokens(ctx, a)
			return err
		}),
		api: []string{"GET /tokens"},
	}, {
		name: "Make a token that reads", core: []string{"Service.MakeToken"}, trail: "token.make", about: true,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, _, err := w.service.MakeToken(ctx, r, core.NewToken{Name: "x", Scope: core.ScopeRead})
			return err
		},
		api: []string{`POST /tokens {"name": "x", "scope": "read"}`}, pages: []string{"POST /account/tokens name=x&scope=read&expires=7d"},
	}, {
		name: "Make a token that operates", core: []string{"Service.MakeToken"}, trail: "token.make", about: true,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, _, err := w.service.MakeToken(ctx, r, core.NewToken{Name: "x", Scope: core.ScopeOperate})
			return err
		},
		api: []string{`POST /tokens {"name": "x", "scope": "operate"}`}, pages: []string{"POST /account/tokens name=x&scope=operate&expires=7d"},
	}, {
		name: "Revoke one's own token", core: []string{"Service.RevokeToken"}, trail: "token.revoke", about: true, arrange: tokenOf(true),
		domain: func(ctx context.Context, w *world, r core.Request) error {
			return w.service.RevokeToken(ctx, r, w.things["token"])
		},
		pages: []string{"POST /account/tokens/{token}/revoke"},
	}, {
		name: "Revoke one's own token, with a token", trail: "token.revoke", about: true, arrange: tokenOf(true), api: []string{"DELETE /tokens/{token}"},
	}, {
		name: "Revoke somebody else's token", core: []string{"Service.RevokeToken"}, trail: "token.revoke", about: true, arrange: tokenOf(false),
		domain: func(ctx context.Context, w *world, r core.Request) error {
			return w.service.RevokeToken(ctx, r, w.things["token"])
		},
		pages: []string{"POST /account/tokens/{token}/revoke"},
	}, {
		name: "See what mail one gets", core: []string{"Service.MailChoices"},
		domain: reads(func(ctx context.Context, s *core.Service, a core.Actor) error {
			_, err := s.MailChoices(ctx, a)
			return err
		}),
		api: []string{"GET /mail"}, chat: []string{"notify"},
	}, {
		name: "Choose what mail one gets", core: []string{"Service.ChooseMail"}, trail: "mail.choose", about: true, changes: true,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.ChooseMail(ctx, r, map[core.Topic]bool{"expiring": false})
			return err
		},
		pages: []string{"POST /account/mail shown=expiring"}, chat: []string{"notify expiring off"},
	}, {
		name: "Choose what mail one gets, with a token", trail: "mail.choose", changes: true, api: []string{`PUT /mail {"wanted": {"expiring": false}}`},
	}, {
		name: "List one's own sessions", core: []string{"Service.Logins"},
		domain: reads(func(ctx context.Context, s *core.Service, a core.Actor) error {
			_, err := s.Logins(ctx, a)
			return err
		}),
		api: []string{"GET /sessions"},
	}, {
		name: "End a session of one's own", core: []string{"Service.RevokeLogin"}, trail: "session.revoke", about: true, arrange: session,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			return w.service.RevokeLogin(ctx, r, "session-1")
		},
		pages: []string{"POST /account/sessions/session-1/revoke"},
	}, {
		name: "End one's other sessions", core: []string{"Service.RevokeOtherLogins"}, trail: "session.revoke", arrange: session,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.RevokeOtherLogins(ctx, r, "")
			return err
		},
		pages: []string{"POST /account/sessions/revoke-others"},
	}, {
		name: "End sessions of one's own, with a token", trail: "session.revoke", arrange: session, api: []string{"DELETE /sessions/session-1", "DELETE /sessions"},
	}, {
		name: "See what one is told of by mail", core: []string{"Service.MailChoices"},
		domain: reads(func(ctx context.Context, s *core.Service, a core.Actor) error {
			_, err := s.MailChoices(ctx, a)
			return err
		}),
		api: []string{"GET /mail"}, chat: []string{"notify"},
	}, {
		name: "Choose what to be told of by mail", core: []string{"Service.ChooseMail"}, trail: "mail.choose", about: true, changes: true,
		arrange: func(w *world) { w.sql("delete from mail_preferences") },
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.ChooseMail(ctx, r, map[core.Topic]bool{core.TopicReady: false})
			return err
		},
		pages: []string{"POST /account/mail shown=ready"}, chat: []string{"notify ready off"},
	}, {
		name: "Choose what to be told of by mail, with a token", trail: "mail.choose", about: true, changes: true,
		arrange: func(w *world) { w.sql("delete from mail_preferences") }, api: []string{`PUT /mail {"wanted": {"ready": false}}`},
	}, {
		name: "Get a code for a chat", core: []string{"Service.MakeLinkCode"}, trail: "identity.code", about: true,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.MakeLinkCode(ctx, r)
			return err
		},
		pages: []string{"POST /account/chat/code"},
	}, {
		name: "End that a chat knows one", core: []string{"Service.Unlink"}, trail: "identity.unlink", about: true,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			return w.service.Unlink(ctx, r, core.ChatUser{Platform: core.Slack, Team: "T1", ID: "U-" + w.things["me"]})
		},
		pages: []string{"POST /account/chat/unlink platform=slack&team=T1&user=U-{me}"}, chat: []string{"unlink"},
	}, {
		name: "Write a command over the API", api: []string{`POST /chat {"text": "whoami"}`},
	},
}
