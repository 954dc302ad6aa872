package bot

import (
	"context"
	"fmt"

	"github.com/mydb-project/mydb/core"
)

func (c conversation) restart(ctx context.Context) (Answer, error) {
	return c.give(ctx, core.Restart{On: c.on()}, "Restarting %s.")
}

// on is the database that the message names.
func (c conversation) on() core.On { return core.On{Database: c.values["name"]} }

// give gives a command on an existing database. say has one verb, for the database's name, and tells what is being done now.
func (c conversation) give(ctx context.Context, command core.Command, say string) (Answer, error) {
	receipt, err := c.order(ctx, command)
	if err != nil {
		return Answer{}, c.proposing(ctx, err)
	}
	if a := receipt.Approval; a != nil && receipt.Operation.ID == "" {
		return Answer{Name: receipt.Database.Name, Text: fmt.Sprintf("This waits for the approval of an administrator, until %s (approval %s). Nothing happens before.", moment(a.ExpiresAt), a.ID)}, nil
	}
	return Answer{Text: fmt.Sprintf(say, receipt.Database.Name), OperationID: receipt.Operation.ID, Name: receipt.Database.Name}, nil
}

func (c conversation) stop(ctx context.Context) (Answer, error) {
	return c.give(ctx, core.Stop{On: c.on()}, "Stopping %s.")
}

func (c conversation) start(ctx context.Context) (Answer, error) {
	return c.give(ctx, core.Start{On: c.on()}, "Starting %s.")
}

func (c conversation) rotate(ctx context.Context) (Answer, error) {
	if account := c.values["account"]; account != "" {
		answer, err := c.give(ctx, core.RotateAccount{On: c.on(), Account: account, Overlap: c.values["overlap"]}, "Setting a new password on %s. ")
		if err == nil {
			answer.Text += "As soon as it works, it can be collected at " + c.page(core.Instance{Name: answer.Name})
		}
		return answer, err
	}
	if c.values["overlap"] != "" {
		return Answer{}, &core.Error{Code: core.CodeInvalid, Field: "overlap", Message: "An overlap is for the account of a pipeline, such as: rotate genomes account=nightly_import overlap=24h"}
	}
	answer, err := c.give(ctx, core.Rotate{On: c.on()}, "Setting a new password for %s. ")
	if err == nil {
		answer.Text += "As soon as it works, its owner collects it at " + c.page(core.Instance{Name: answer.Name})
	}
	return answer, err
}

func (c conversation) resize(ctx context.Context) (Answer, error) {
	return c.give(ctx, core.Resize{On: c.on(), Size: c.values["size"]}, "Resizing %s; it restarts.")
}

func (c conversation) extend(ctx context.Context) (Answer, error) {
	answer, err := c.give(ctx, core.Extend{On: c.on(), Expires: c.values["expires"]}, "%s stays")
	if err != nil {
		return answer, err
	}
	i, err := c.service.Instance(ctx, c.Actor, answer.Name)
	if err != nil {
		return answer, err
	}
	answer.OperationID = "" // nothing to follow: it is done
	answer.Text = i.Name + " stays for good."
	if i.ExpiresAt != nil {
		answer.Text = fmt.Sprintf("%s stays until %s.", i.Name, moment(*i.ExpiresAt))
	}
	return answer, nil
}

// proposing is an error, with the nearest name when there is no such database. The refusal is in the audit trail by now.
func (c conversation) proposing(ctx context.Context, err error) error {
	if core.CodeOf(err) != core.CodeNotFound {
		return err
	}
	if _, _, better := c.find(ctx); better != nil {
		return better
	}
	return err
}

// order gives a command to the domain.
func (c conversation) order(ctx context.Context, command core.Command) (core.Receipt, error) {
	r := c.request()
	r.Key, r.Command = c.Key, command
	return c.service.Do(ctx, r)
}
