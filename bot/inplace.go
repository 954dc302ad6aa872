package bot

import (
	"context"
	"fmt"

	"github.com/mydb-project/mydb/core"
)

// restoreInPlace gives a database the data of one of its backups. The confirmation is the name, typed once more.
func (c conversation) restoreInPlace(ctx context.Context) (Answer, error) {
	receipt, err := c.order(ctx, core.Restore{
		On: c.on(), Backup: c.values["from"], As: c.values["as"], Version: c.values["version"], InPlace: true, Confirm: c.values["confirm"],
	})
	if err != nil {
		return Answer{}, c.proposing(ctx, err)
	}
	i := receipt.Database
	if a := receipt.Approval; a != nil {
		return Answer{Name: i.Name, Text: fmt.Sprintf(
			"The restore of %s in place waits for the approval of an administrator, until %s (approval %s). Nothing happens before.", i.Name, moment(a.ExpiresAt), a.ID)}, nil
	}
	return Answer{
		Text: fmt.Sprintf("Restoring a backup in the place of what %s holds. First that is backed up; then the backup is restored beside it and counted, and at the end "+
			"they are exchanged. Until then %[1]s goes on as it is. To take it back afterwards: undo %[1]s", i.Name),
		OperationID: receipt.Operation.ID, Name: i.Name,
	}, nil
}

func (c conversation) undo(ctx context.Context) (Answer, error) {
	return c.give(ctx, core.Undo{On: c.on()}, "Putting back what %s held before it was restored in place.")
}
