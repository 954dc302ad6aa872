package bot

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/mydb-project/mydb/core"
)

func (c conversation) class(ctx context.Context) (Answer, error) {
	n, err := strconv.Atoi(c.values["count"])
	if err != nil {
		return Answer{}, &core.Error{Code: core.CodeInvalid, Field: "count", Message: "How many is a number from 2 to 100, such as: class postgres biology 30"}
	}
	receipt, err := c.order(ctx, core.Class{Count: n, Create: core.Create{
		Engine: c.values["engine"], Name: c.values["name"], Version: c.values["version"], Size: c.values["size"],
		Expires: c.values["expires"], Description: c.values["description"],
	}})
	if err != nil {
		return Answer{}, err
	}
	made := receipt.Databases
	return Answer{Text: fmt.Sprintf("Creating %d databases, %s to %s. Follow them and collect their passwords at %s", len(made),
		made[0].Database.Name, made[len(made)-1].Database.Name, c.publicURL+"/?class="+url.QueryEscape(c.values["name"]))}, nil
}
