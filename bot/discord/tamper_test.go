package discord_test

import (
	"strconv"
	"time"

	"github.com/mydb-project/mydb/bot/discord/discordfake"
)

// brokenAnswer lets the next private answer fail.
var brokenAnswer = discordfake.Fault{Method: "PATCH", Path: "@original", Status: 500}

// age makes an interaction five seconds older.
func (r *rig) age(i map[string]any) {
	n, err := strconv.ParseUint(i["id"].(string), 10, 64)
	if err != nil {
		r.Error(err)
	}
	i["id"] = strconv.FormatUint(n-uint64((5*time.Second).Milliseconds())<<22, 10)
}
