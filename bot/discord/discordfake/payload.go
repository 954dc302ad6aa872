package discordfake

import (
	"encoding/json"
	"strconv"
	"time"
)

// object is a value as the JSON object that it is on the wire.
func object(v any) map[string]any {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // a type of this package that is no JSON
	}
	var o map[string]any
	if err := json.Unmarshal(body, &o); err != nil {
		panic(err)
	}
	return o
}

func (m *Message) payload() map[string]any {
	o := object(m)
	for _, list := range []string{"attachments", "embeds", "components", "mentions", "mention_roles"} {
		if o[list] == nil {
			o[list] = []any{}
		}
	}
	return o
}

func (c *Channel) payload() map[string]any {
	if c.with != nil {
		return map[string]any{"id": c.ID, "type": 1, "recipients": []Author{c.with.author()}}
	}
	return map[string]any{"id": c.ID, "type": 0, "guild_id": c.fake.GuildID, "name": c.Name, "permission_overwrites": []any{}}
}

func (u *User) memberPayload() map[string]any {
	roles := []string{}
	for _, r := range u.roles {
		roles = append(roles, r.ID)
	}
	return map[string]any{
		"user": u.author(), "nick": u.nick, "roles": roles, "joined_at": u.joined.UTC().Format(time.RFC3339), "deaf": false, "mute": false,
		"flags": 0, "pending": false,
	}
}

func (r *Role) payload() map[string]any {
	rights := r.Permissions
	if r.Name == "@everyone" {
		rights |= usualRights
	}
	return map[string]any{"id": r.ID, "name": r.Name, "permissions": strconv.Itoa(rights), "color": 0, "hoist": false, "position": 0, "managed": false}
}

func (f *Fake) guildPayload() map[string]any {
	roles, channels := []any{}, []any{}
	for _, r := range f.roles {
		roles = append(roles, r.payload())
	}
	for _, c := range f.channels {
		if c.with == nil && !c.deleted && !c.shutOut {
			channels = append(channels, c.payload())
		}
	}
	members := 0
	for _, u := range f.users {
		if u.member {
			members++
		}
	}
	return map[string]any{
		"id": f.GuildID, "name": f.opts.GuildName, "owner_id": f.GuildID, "preferred_locale": "en-US", "roles": roles, "channels": channels,
		"members": []any{f.Bot.memberPayload()}, "member_count": members, "unavailable": false, "emojis": []any{}, "features": []any{},
	}
}

// payload is the interaction as the bot gets it.
func (i *Interaction) payload(data map[string]any) map[string]any {
	f := i.fake
	o := map[string]any{
		"id": i.ID, "application_id": f.AppID, "type": i.Type, "token": i.Token, "version": 1, "data": data, "locale": "en-US",
		"channel_id": i.Channel.ID, "channel": i.Channel.payload(), "app_permissions": strconv.Itoa(usualRights), "entitlements": []any{},
		"authorizing_integration_owners": map[string]string{"0": f.GuildID},
	}
	if i.message != nil {
		o["message"] = i.message.payload()
	}
	if i.Channel.with != nil {
		o["user"], o["context"] = i.User.author(), 1
		return o
	}
	member := i.User.memberPayload()
	member["permissions"] = strconv.Itoa(i.User.permissions())
	o["member"], o["guild_id"], o["guild_locale"], o["context"] = member, f.GuildID, "en-US", 0
	return o
}

// resolved adds what an id in an interaction stands for.
func (f *Fake) resolved(data map[string]any, kind, id string) {
	all, ok := data["resolved"].(map[string]any)
	if !ok {
		all = map[string]any{}
		data["resolved"] = all
	}
	put := func(kind string, what any) {
		some, ok := all[kind].(map[string]any)
		if !ok {
			some = map[string]any{}
			all[kind] = some
		}
		some[id] = what
	}
	switch kind {
	case "users":
		u := f.user(id)
		put("users", u.author())
		if u.member {
			member := u.memberPayload()
			delete(member, "user")
			member["permissions"] = strconv.Itoa(u.permissions())
			put("members", member)
		}
	case "channels":
		put("channels", f.channel(id).payload())
	case "roles":
		for _, r := range f.roles {
			if r.ID == id {
				put("roles", r.payload())
			}
		}
	}
}
