package discordfake

import (
	"slices"
	"strconv"
)

// reach is the channel that a call is about, if the bot may see it.
func (f *Fake) reach(r *request) (*Channel, *apiError) {
	c := f.channel(r.PathValue("channel"))
	switch {
	case c == nil:
		return nil, errUnknownChannel
	case c.shutOut:
		return nil, errMissingAccess
	}
	return c, nil
}

// writable says why the bot may not write into a channel.
func (c *Channel) writable() *apiError {
	switch {
	case c.shutOut:
		return errMissingAccess
	case c.muted:
		return errMissingPermissions
	case c.with != nil && (c.with.dms || !c.with.member):
		return errNoDMs
	}
	return nil
}

// reachMessage is the message that a call is about. Ephemeral ones are not to be found this way.
func (f *Fake) reachMessage(r *request) (*Channel, *Message, *apiError) {
	c, err := f.reach(r)
	if err != nil {
		return nil, nil, err
	}
	m := c.message(r.PathValue("message"))
	if m == nil || m.Ephemeral() {
		return nil, nil, errUnknownMessage
	}
	return c, m, nil
}

func getChannel(f *Fake, r *request) (any, *apiError) {
	c, err := f.reach(r)
	if err != nil {
		return nil, err
	}
	return c.payload(), nil
}

func sendMessage(f *Fake, r *request) (any, *apiError) {
	c, err := f.reach(r)
	if err != nil {
		return nil, err
	}
	if err := c.writable(); err != nil {
		return nil, err
	}
	d, err := r.draft()
	if err != nil {
		return nil, err
	}
	if m := f.repeated(c, d); m != nil {
		return m.payload(), nil
	}
	if d.Reference != nil && c.message(d.Reference.MessageID) == nil {
		var p problems
		p.add("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
		return nil, p.err()
	}
	d.Flags &^= flagEphemeral // only answers to interactions can be
	m, err := f.write(c, f.Bot, d, nil)
	if err != nil {
		return nil, err
	}
	return m.payload(), nil
}

func getMessage(f *Fake, r *request) (any, *apiError) {
	_, m, err := f.reachMessage(r)
	if err != nil {
		return nil, err
	}
	return m.payload(), nil
}

func editMessage(f *Fake, r *request) (any, *apiError) {
	c, m, err := f.reachMessage(r)
	if err != nil {
		return nil, err
	}
	if m.Author.ID != f.Bot.ID {
		return nil, errNotYours
	}
	d, err := r.draft()
	if err != nil {
		return nil, err
	}
	if err := f.rewrite(c, m, d); err != nil {
		return nil, err
	}
	return m.payload(), nil
}

func deleteMessage(f *Fake, r *request) (any, *apiError) {
	c, m, err := f.reachMessage(r)
	if err != nil {
		return nil, err
	}
	if m.Author.ID != f.Bot.ID {
		return nil, errMissingPermissions
	}
	f.remove(c, m)
	return nil, nil
}

func (f *Fake) remove(c *Channel, m *Message) {
	c.messages = slices.DeleteFunc(slices.Clone(c.messages), func(x *Message) bool { return x == m })
	if !m.Ephemeral() {
		f.dispatch("MESSAGE_DELETE", intentMessages|intentDMs, map[string]any{"id": m.ID, "channel_id": c.ID, "guild_id": f.GuildID})
	}
}

// listMessages gives the newest first, at most limit, before, after or around an id.
func listMessages(f *Fake, r *request) (any, *apiError) {
	c, err := f.reach(r)
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	limit := 50
	if s := query.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 100 {
			var p problems
			p.add("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
			return nil, p.err()
		}
		limit = n
	}
	var found []*Message // oldest first
	for _, m := range c.messages {
		before, after := query.Get("before"), query.Get("after")
		if !m.Ephemeral() && (before == "" || newer(before, m.ID)) && (after == "" || newer(m.ID, after)) {
			found = append(found, m)
		}
	}
	switch around := query.Get("around"); {
	case around != "":
		at, _ := slices.BinarySearchFunc(found, around, func(m *Message, id string) int {
			if newer(id, m.ID) {
				return -1
			}
			return 1
		})
		found = found[max(0, at-limit/2):min(len(found), at+limit/2+1)]
	case query.Get("after") != "":
		found = found[:min(limit, len(found))]
	default:
		found = found[max(0, len(found)-limit):]
	}
	answer := []any{}
	for _, m := range slices.Backward(found) {
		answer = append(answer, m.payload())
	}
	return answer, nil
}
