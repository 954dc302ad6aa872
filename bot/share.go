package bot

import (
	"context"
	"fmt"
	"strings"

	"github.com/mydb-project/mydb/core"
)

// pipeline is what stands before the name of a service account, where a person's login could stand too.
const pipeline = "pipeline:"

func (c conversation) share(ctx context.Context) (Answer, error) {
	if account, is := strings.CutPrefix(c.values["person"], pipeline); is {
		answer, err := c.give(ctx, core.AddAccount{On: c.on(), Account: account, Right: c.values["right"], Until: c.values["until"]}, "Making an account for a pipeline on %s. ")
		if err == nil {
			answer.Text += "Its owner collects the password at " + c.page(core.Instance{Name: answer.Name})
		}
		return answer, err
	}
	command := core.Share{On: c.on(), With: c.values["person"], Right: c.values["right"], Until: c.values["until"]}
	answer, err := c.give(ctx, command, "Sharing %s. ")
	if err == nil {
		answer.Text += fmt.Sprintf("As soon as it works, %s collects a password of their own at %s", c.values["person"], c.page(core.Instance{Name: answer.Name}))
	}
	return answer, err
}

func (c conversation) unshare(ctx context.Context) (Answer, error) {
	if account, is := strings.CutPrefix(c.values["person"], pipeline); is {
		return c.give(ctx, core.RemoveAccount{On: c.on(), Account: account}, "Removing the account of a pipeline from %s.")
	}
	answer, err := c.give(ctx, core.Unshare{On: c.on(), With: c.values["person"]}, "Taking the share of %s back from ")
	if err == nil {
		answer.Text += c.values["person"] + "."
	}
	return answer, err
}

func (c conversation) transfer(ctx context.Context) (Answer, error) {
	answer, err := c.give(ctx, core.Transfer{On: c.on(), To: c.values["person"]}, "Giving %s to ")
	if err == nil {
		answer.Text += c.values["person"] + ", with a new password, which they collect on its page."
	}
	return answer, err
}
