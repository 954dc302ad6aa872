package permissions_test

import (
	"context"
	"time"

	"github.com/mydb-project/mydb/core"
)

// act is one thing that somebody may want, and the ways to it through each door.
type act struct {
	name string
	// core names what it is in the package core: a command, or a method of the service. domain does it; nil: it is only there for a door.
	core   []string
	domain func(ctx context.Context, w *world, r core.Request) error
	api    []string // such as: POST /databases/{db}/restart {"json": "body"}
	pages  []string // such as: POST /databases/{db}/resize size=medium
	chat   []string // such as: restart {db}

	trail   string // how the action begins in the audit trail; empty: what is only looked at leaves none
	changes bool   // the entry says what was before, and what is after
	// subject is false where an entry is about nothing that has a name, such as the site.
	about   bool
	reached core.Code
	arrange func(w *world)
}

// section is a part of the table. What is about a database has a column for each relation to it, and the rest one for each role.
type section struct {
	title     string
	relations bool
	acts      []act
}

var table = []section{
	{"Looking at a database", true, lookActs},
	{"Secrets and contents of a database", true, secretActs},
	{"Work on a database", true, workActs},
	{"Backups of a database", true, backupActs},
	{"Approvals, asked for by the owner", true, approvalActs},
	{"New databases", false, createActs},
	{"Lists", false, listActs},
	{"The site", false, siteActs},
	{"One's own account", false, accountActs},
}

// command is the domain's door for a command.
func command(make func(w *world, on core.On) core.Command) func(context.Context, *world, core.Request) error {
	return func(ctx context.Context, w *world, r core.Request) error {
		r.Command = make(w, core.On{Database: w.things["db"]})
		_, err := w.service.Do(ctx, r)
		return err
	}
}

// on is a database other than the usual one.
func (w *world) on(thing string) core.On { return core.On{Database: w.things[thing]} }

// page is all of a list.
var page = core.Page{Limit: 10}

var lookActs = []act{
	{
		name: "See it, its state and how to connect", core: []string{"Service.Instance", "Service.Look", "Service.Snippets"},
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, _, err := w.service.Look(ctx, r.Actor, w.things["db"])
			return err
		},
		api: []string{"GET /databases/{db}"}, pages: []string{"GET /databases/{db}"}, chat: []string{"status {db}", "connect {db}"},
	}, {
		name: "Follow an operation on it", core: []string{"Service.Operation"},
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.Operation(ctx, r.Actor, w.things["operation"])
			return err
		},
		api: []string{"GET /operations/{operation}", "GET /operations/{operation}/events"}, pages: []string{"GET /databases/{db}/progress"},
	}, {
		name: "See how it is doing", core: []string{"Service.Series"},
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.Series(ctx, r.Actor, w.things["db"], time.Now().Add(-time.Hour))
			return err
		},
		api: []string{"GET /databases/{db}/metrics"}, chat: []string{"stats {db}"},
	}, {
		name: "See whom it is shared with", core: []string{"Service.Accesses"},
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.Accesses(ctx, r.Actor, w.things["db"])
			return err
		},
		api: []string{"GET /databases/{db}/accounts"},
	}, {
		name: "See what was done with it", core: []string{"Service.Timeline"},
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, _, _, err := w.service.Timeline(ctx, r.Actor, w.things["db"], page)
			return err
		},
		api: []string{"GET /databases/{db}/timeline?limit=5"}, pages: []string{"GET /databases/{db}/timeline"}, chat: []string{"audit {db}"},
	}, {
		name: "See its backups and their receipts", core: []string{"Service.Backups", "Service.Backup"},
		domain: func(ctx context.Context, w *world, r core.Request) error {
			if _, _, err := w.service.Backups(ctx, r.Actor, w.things["db"], page); err != nil {
				return err
			}
			_, err := w.service.Backup(ctx, r.Actor, w.things["db"], w.things["backup"])
			return err
		},
		api: []string{"GET /databases/{db}/backups", "GET /databases/{db}/backups/{backup}"}, chat: []string{"backups {db}", "history {db}"},
	},
}

var secretActs = []act{
	{
		name: "Collect one's own password", core: []string{"Service.Collect"}, trail: "credentials.collect", about: true,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.Collect(ctx, r, w.things["db"])
			return err
		},
		api: []string{"GET /databases/{db}/credentials"}, pages: []string{"POST /databases/{db}/credentials"}, chat: []string{"/reveal"},
	}, {
		name: "Have a link made to one's own password", core: []string{"Service.SecretLink", "Service.IssueLink"}, trail: "link.", about: true,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, _, err := w.service.SecretLink(ctx, r, w.things["db"])
			return err
		},
		chat: []string{"/reveal_link"},
	}, {
		name: "Look at a link of the owner's", core: []string{"Service.LookLink"},
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.LookLink(ctx, r, w.things["link"])
			return err
		},
		pages: []string{"GET /links/{link}"}, arrange: func(w *world) { w.link("secret") },
	}, {
		name: "Use a link of the owner's", core: []string{"Service.UseLink", "Service.OpenDownload", "Service.FinishLink"}, trail: "link.use",
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.UseLink(ctx, r, w.things["link"])
			return err
		},
		api: []string{"POST /links/{link}"}, pages: []string{"POST /links/{link}"}, arrange: func(w *world) { w.link("secret") },
	}, {
		name: "Take a link of the owner's back", core: []string{"Service.RevokeLink"}, trail: "link.revoke", about: true,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			return w.service.RevokeLink(ctx, r, w.things["link_id"])
		},
		api: []string{"DELETE /links/{link_id}"}, pages: []string{"POST /links/{link_id}/revoke"}, arrange: func(w *world) { w.link("download") },
	}, {
		name: "Collect the password of a service account", core: []string{"Service.CollectAccount"}, trail: "credentials.collect", about: true,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.CollectAccount(ctx, r, w.things["db"], "nightly")
			return err
		},
		api: []string{"GET /databases/{db}/accounts/nightly/credentials"}, pages: []string{"POST /databases/{db}/account-credentials account=nightly"},
	}, {
		name: "Collect the passwords of a class", core: []string{"Service.CollectClass"}, trail: "credentials.collect", about: true,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.CollectClass(ctx, r, w.things["class"])
			return err
		},
		api: []string{"GET /classes/{class}/credentials"}, pages: []string{"POST /classes/{class}/credentials"},
	}, {
		name: "Read its log", core: []string{"Service.Logs"}, trail: "logs.read", about: true,
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.Logs(ctx, r, w.things["db"], 10)
			return err
		},
		api: []string{"GET /databases/{db}/logs"}, pages: []string{"GET /databases/{db}/logs"}, chat: []string{"logs {db}"},
	}, {
		name: "Have counted what it holds", core: []string{"Service.Report"}, trail: "report.read", about: true,
		reached: core.CodeUnavailable, // there is no server
		domain: func(ctx context.Context, w *world, r core.Request) error {
			_, err := w.service.Report(ctx, r, w.things["db"])
			return err
		},
		api: []string{"GET /databases/{db}/report"}, pages: []string{"GET /databases/{db}/report"}, chat: []string{"report {db}"},
	},
}

var approvalActs = []act{
	{
		name: "Approve", core: []string{"Decide"}, trail: "approve", about: true, changes: true,
		domain: command(func(w *world, _ core.On) core.Command { return core.Decide{ID: w.things["approval"], Approve: true} }),
		api:    []string{"POST /approvals/{approval}/approve"}, pages: []string{"POST /approvals/{approval}/approve"}, chat: []string{"approve {approval}"},
	}, {
		name: "Deny", core: []string{"Decide"}, trail: "deny", about: true, changes: true,
		domain: command(func(w *world, _ core.On) core.Command {
			return core.Decide{ID: w.things["approval"], Reason: "still in use"}
		}),
		api: []string{`POST /approvals/{approval}/deny {"reason": "still in use"}`}, pages: []string{"POST /approvals/{approval}/deny reason=no"}, chat: []string{`deny {approval} "still in use"`},
	}, {
		name: "Take it back", core: []string{"Withdraw"}, trail: "withdraw", about: true, changes: true,
		domain: command(func(w *world, _ core.On) core.Command { return core.Withdraw{ID: w.things["approval"]} }),
		api:    []string{"POST /approvals/{approval}/withdraw"}, pages: []string{"POST /approvals/{approval}/withdraw"}, chat: []string{"withdraw {approval}"},
	},
}
