package permissions_test

import (
	"github.com/mydb-project/mydb/core"
)

var workActs = []act{
	{
		name: "Restart", core: []string{"Restart"}, trail: "restart", about: true,
		domain: command(func(_ *world, on core.On) core.Command { return core.Restart{On: on} }),
		api:    []string{"POST /databases/{db}/restart"}, pages: []string{"POST /databases/{db}/restart"}, chat: []string{"restart {db}"},
	}, {
		name: "Give the server a new certificate", core: []string{"Renew"}, trail: "renew", about: true,
		domain: command(func(_ *world, on core.On) core.Command { return core.Renew{On: on} }),
		api:    []string{"POST /databases/{db}/renew"},
	}, {
		name: "Stop", core: []string{"Stop"}, trail: "stop", about: true, changes: true,
		domain: command(func(_ *world, on core.On) core.Command { return core.Stop{On: on} }),
		api:    []string{"POST /databases/{db}/stop"}, pages: []string{"POST /databases/{db}/stop"}, chat: []string{"stop {db}"},
	}, {
		name: "Start", core: []string{"Start"}, trail: "start", about: true, changes: true,
		domain: command(func(w *world, _ core.On) core.Command { return core.Start{On: w.on("stopped")} }),
		api:    []string{"POST /databases/{stopped}/start"}, pages: []string{"POST /databases/{stopped}/start"}, chat: []string{"start {stopped}"},
	}, {
		name: "Give the owner's account a new password", core: []string{"Rotate"}, trail: "rotate", about: true,
		domain: command(func(_ *world, on core.On) core.Command { return core.Rotate{On: on} }),
		api:    []string{"POST /databases/{db}/rotate"}, pages: []string{"POST /databases/{db}/rotate"}, chat: []string{"rotate {db}"},
	}, {
		name: "Resize", core: []string{"Resize"}, trail: "resize", about: true, changes: true,
		domain: command(func(_ *world, on core.On) core.Command { return core.Resize{On: on, Size: "medium"} }),
		api:    []string{`POST /databases/{db}/resize {"size": "medium"}`}, pages: []string{"POST /databases/{db}/resize size=medium"}, chat: []string{"resize {db} medium"},
	}, {
		name: "Extend", core: []string{"Extend"}, trail: "extend", about: true, changes: true,
		domain: command(func(_ *world, on core.On) core.Command { return core.Extend{On: on, Expires: "never"} }),
		api:    []string{`POST /databases/{db}/extend {"expires": "never"}`}, pages: []string{"POST /databases/{db}/extend expires=never"}, chat: []string{"extend {db} never"},
	}, {
		name: "Change what is said about it", core: []string{"Describe"}, trail: "describe", about: true, changes: true,
		domain: command(func(_ *world, on core.On) core.Command {
			text := "variants"
			return core.Describe{On: on, Description: &text}
		}),
		api: []string{`PATCH /databases/{db} {"description": "variants"}`}, pages: []string{"POST /databases/{db}/describe description=variants&support=standard&backup=daily"},
	}, {
		name: "Share it with somebody", core: []string{"Share"}, trail: "share", about: true,
		domain: command(func(_ *world, on core.On) core.Command { return core.Share{On: on, With: "paul"} }),
		api:    []string{`POST /databases/{db}/share {"with": "paul"}`}, pages: []string{"POST /databases/{db}/share with=paul"}, chat: []string{"share {db} with paul"},
	}, {
		name: "Take somebody's share back", core: []string{"Unshare"}, trail: "unshare", about: true,
		domain: command(func(_ *world, on core.On) core.Command { return core.Unshare{On: on, With: "pat"} }),
		api:    []string{`POST /databases/{db}/unshare {"with": "pat"}`}, pages: []string{"POST /databases/{db}/unshare with=pat"}, chat: []string{"unshare {db} pat"},
	}, {
		name: "Give up one's own share", core: []string{"Unshare"}, trail: "unshare", about: true,
		domain: command(func(w *world, on core.On) core.Command { return core.Unshare{On: on, With: w.things["me"]} }),
		api:    []string{`POST /databases/{db}/unshare {"with": "{me}"}`}, pages: []string{"POST /databases/{db}/unshare with={me}"}, chat: []string{"unshare {db} {me}"},
	}, {
		name: "Give it to somebody else", core: []string{"Transfer"}, trail: "transfer", about: true, changes: true,
		domain: command(func(_ *world, on core.On) core.Command { return core.Transfer{On: on, To: "paul"} }),
		api:    []string{`POST /databases/{db}/transfer {"to": "paul"}`}, pages: []string{"POST /databases/{db}/transfer to=paul"}, chat: []string{"transfer {db} to paul"},
	}, {
		name: "Make a service account", core: []string{"AddAccount"}, trail: "account.add", about: true,
		domain: command(func(_ *world, on core.On) core.Command { return core.AddAccount{On: on, Account: "weekly"} }),
		api:    []string{`POST /databases/{db}/accounts {"account": "weekly"}`}, pages: []string{"POST /databases/{db}/account-add account=weekly"}, chat: []string{"share {db} with pipeline:weekly"},
	}, {
		name: "Remove a service account", core: []string{"RemoveAccount"}, trail: "account.remove", about: true,
		domain: command(func(_ *world, on core.On) core.Command { return core.RemoveAccount{On: on, Account: "nightly"} }),
		api:    []string{"DELETE /databases/{db}/accounts/nightly"}, pages: []string{"POST /databases/{db}/account-remove account=nightly"}, chat: []string{"unshare {db} pipeline:nightly"},
	}, {
		name: "Give a service account a new password", core: []string{"RotateAccount"}, trail: "account.rotate", about: true,
		domain: command(func(_ *world, on core.On) core.Command {
			return core.RotateAccount{On: on, Account: "nightly", Overlap: "24h"}
		}),
		api: []string{`POST /databases/{db}/accounts/nightly/rotate {"overlap": "24h"}`}, pages: []string{"POST /databases/{db}/account-rotate account=nightly&overlap=24h"},
		chat: []string{"rotate {db} account=nightly overlap=24h"},
	}, {
		name: "Ask for its deletion", core: []string{"Delete"}, trail: "delete", about: true,
		domain: command(func(_ *world, on core.On) core.Command { return core.Delete{On: on} }),
		api:    []string{"DELETE /databases/{db}"}, pages: []string{"POST /databases/{db}/delete"}, chat: []string{"delete {db}"},
	}, {
		name: "Bring it back from the trash", core: []string{"Undelete"}, trail: "undelete", about: true, changes: true,
		domain: command(func(w *world, _ core.On) core.Command { return core.Undelete{On: w.on("trashed")} }),
		api:    []string{"POST /databases/{trashed}/undelete"}, pages: []string{"POST /databases/{trashed}/undelete"}, chat: []string{"undelete {trashed}"},
	},
}

// exchanged makes the database one that was restored in place, so that there is something to undo.
func exchanged(w *world) {
	w.sql("insert into kept_volumes (instance_id, generation, node_id, remove_at) values ($1, 7, 'n1', now() + interval '1 day') on conflict do nothing", w.things["db_id"])
}

var backupActs = []act{
	{
		name: "Make a backup", core: []string{"MakeBackup"}, trail: "backup", about: true,
		domain: command(func(_ *world, on core.On) core.Command { return core.MakeBackup{On: on} }),
		api:    []string{"POST /databases/{db}/backups"}, pages: []string{"POST /databases/{db}/backup"}, chat: []string{"backup {db}"},
	}, {
		name: "Have a backup verified", core: []string{"VerifyBackup"}, trail: "verify", about: true,
		domain: command(func(w *world, on core.On) core.Command { return core.VerifyBackup{On: on, Backup: w.things["backup"]} }),
		api:    []string{"POST /databases/{db}/backups/{backup}/verify"}, pages: []string{"POST /databases/{db}/verify backup={backup}"},
	}, {
		name: "Keep a backup for good", core: []string{"PinBackup"}, trail: "pin", about: true, changes: true,
		domain: command(func(w *world, on core.On) core.Command { return core.PinBackup{On: on, Backup: w.things["backup"]} }),
		api:    []string{"POST /databases/{db}/backups/{backup}/pin"}, pages: []string{"POST /databases/{db}/pin backup={backup}"},
	}, {
		name: "Restore into a new database", core: []string{"Restore"}, trail: "restore", about: true,
		domain: command(func(w *world, on core.On) core.Command {
			return core.Restore{On: on, Backup: w.things["backup"], As: w.fill("{new}")}
		}),
		api: []string{`POST /databases/{db}/restore {"backup": "{backup}", "as": "{new}"}`}, pages: []string{"POST /databases/{db}/restore backup={backup}"}, chat: []string{"restore {db} from={backup} as={new}"},
	}, {
		name: "Restore in place", core: []string{"Restore"}, trail: "restore", about: true,
		domain: command(func(w *world, on core.On) core.Command {
			return core.Restore{On: on, Backup: w.things["backup"], InPlace: true, Confirm: "genomes"}
		}),
		api:   []string{`POST /databases/{db}/restore {"backup": "{backup}", "in_place": true, "confirm": "genomes"}`},
		pages: []string{"POST /databases/{db}/restore backup={backup}&in_place=yes&confirm=genomes"}, chat: []string{"restore {db} from={backup} in_place=yes confirm=genomes"},
	}, {
		name: "Undo a restore in place", core: []string{"Undo"}, trail: "undo", about: true, arrange: exchanged,
		domain: command(func(_ *world, on core.On) core.Command { return core.Undo{On: on} }),
		api:    []string{"POST /databases/{db}/undo"}, pages: []string{"POST /databases/{db}/undo"}, chat: []string{"undo {db}"},
	}, {
		name: "Download a backup", core: []string{"DownloadBackup"}, trail: "link.", about: true,
		domain: command(func(w *world, on core.On) core.Command {
			return core.DownloadBackup{On: on, Backup: w.things["backup"]}
		}),
		api: []string{"POST /databases/{db}/backups/{backup}/download"}, pages: []string{"POST /databases/{db}/download backup={backup}"},
	},
}
