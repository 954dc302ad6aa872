package core

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// NewsRotated says that an account on a database has a new password.
type NewsRotated struct {
	Username string `json:"username"`
	By       string `json:"by"`  // login of who asked for it
	Own      bool   `json:"own"` // it is the recipient's own account, and no pipeline's
}

func (NewsRotated) kind() string { return "rotated" }

func (n NewsRotated) tell(database string) Text {
	t := Text{
		Subject: fmt.Sprintf("The user %s on %s has a new password", n.Username, database),
		Lines: []string{
			fmt.Sprintf("%s has asked for a new password of the user %s on %s. It is not in this message.", n.By, n.Username, database),
			"If that was neither you nor agreed with you, change your own password for MyDB, and tell an administrator.",
		},
		Facts: []Fact{{"User", n.Username}}, Link: "Look at " + database,
	}
	if n.Own {
		t.Lines[0] += " Collect it once, on the page of the database; the old one no longer works."
		t.Link = "Collect the password and connect"
	}
	return t
}

// failedWork are the operations of which nobody else tells that they have failed, in words for people. What MyDB does by itself and tries
// again is not among them: findings tell of it.
var failedWork = map[string]string{
	"restart": "restart", "stop": "stop", "start": "start", "resize": "resize", "delete": "deletion", "undelete": "way back out of the trash",
	"rotate": "new password", "account": "new password of an account", "share": "share", "unshare": "end of a share", "transfer": "change of owner",
}

// tellOfFailure tells the owner, and who asked for it, that an operation has failed which the two may not be watching.
func (s *Service) tellOfFailure(ctx context.Context, tx pgx.Tx, operationID, kind string, i Instance, failure *Explanation) error {
	words, told := failedWork[kind]
	if failure == nil || !told || i.IsSpare() {
		return nil
	}
	return s.notify(ctx, tx, Notification{
		News: newsOfFailure(words, *failure), InstanceID: i.ID, OperationID: operationID, To: []Audience{ToOwner, ToRequester},
	})
}
