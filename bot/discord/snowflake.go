package discord

import (
	"strconv"
	"time"

	"github.com/bwmarrin/discordgo"
)

// epoch is the millisecond from which Discord counts.
const epoch = 1420070400000

// snowflake is the first id of a moment.
func snowflake(t time.Time) string { return strconv.FormatInt(max(t.UnixMilli()-epoch, 0)<<22, 10) }

// newer says whether one id was made after the other.
func newer(id, than string) bool {
	a, _ := strconv.ParseUint(id, 10, 64)
	b, _ := strconv.ParseUint(than, 10, 64)
	return a > b
}

// madeAt is the moment when an id was made; zero for what is no id.
func madeAt(id string) time.Time {
	t, err := discordgo.SnowflakeTimestamp(id)
	if err != nil {
		return time.Time{}
	}
	return t
}
