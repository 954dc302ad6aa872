package bot

import (
	"context"
	"fmt"

	"github.com/docker/go-units"

	"github.com/mydb-project/mydb/core"
)

// backupsLimit is how many backups an answer shows.
const backupsLimit = 15

func (c conversation) backup(ctx context.Context) (Answer, error) {
	return c.give(ctx, core.MakeBackup{On: c.on()}, "Backing up %s. It is done when it was read back from the store to its end; then a copy is restored from it and counted.")
}

func (c conversation) backups(ctx context.Context) (Answer, error) {
	i, _, err := c.find(ctx)
	if err != nil {
		return Answer{}, err
	}
	list, next, err := c.service.Backups(ctx, c.Actor, i.ID, core.Page{Limit: backupsLimit})
	if err != nil {
		return Answer{}, err
	}
	return Answer{Text: renderBackups(i.Name, list, next != "", c.page(i)), Name: i.Name}, nil
}

func renderBackups(name string, list []core.Backup, more bool, page string) string {
	if len(list) == 0 {
		return fmt.Sprintf("%s has no backup yet. To make one: backup %[1]s", name)
	}
	head := "The backups of " + name + ", newest first:"
	if more {
		head = fmt.Sprintf("The newest %d backups of %s; all of them are at %s", len(list), name, page)
	}
	out := head + "\n" + table(func(row func(...string)) {
		row("Made", "State", "Size", "Rows", "Id")
		for _, b := range list {
			size, rows := "", ""
			if b.Size != nil {
				size = units.BytesSize(float64(*b.Size))
			}
			if b.Contents != nil {
				rows = fmt.Sprint(b.Contents.Rows)
			}
			row(b.CreatedAt.UTC().Format("2006-01-02 15:04"), string(b.State), size, rows, b.ID)
		}
	})
	for _, b := range list {
		if b.State == core.BackupFailed {
			out += "\nThe newest that failed says: " + clip(oneLine(b.Error), 300)
			break
		}
	}
	return out + "\nTo download one, or to keep it for good: " + page
}

func (c conversation) restore(ctx context.Context) (Answer, error) {
	if c.values["in_place"] == "yes" {
		return c.restoreInPlace(ctx)
	}
	receipt, err := c.order(ctx, core.Restore{On: c.on(), Backup: c.values["from"], As: c.values["as"], Version: c.values["version"], Confirm: c.values["confirm"]})
	if err != nil {
		return Answer{}, c.proposing(ctx, err)
	}
	i := receipt.Database
	return Answer{
		Text:        fmt.Sprintf("Restoring a backup of %s into the new database %s. As soon as every table was counted there, its password waits for %s at %s", c.values["name"], i.Name, i.Owner, c.page(i)),
		OperationID: receipt.Operation.ID, Name: i.Name,
	}, nil
}
