package slackfake

import (
	"slices"
	"time"
)

// object is a JSON object.
type object = map[string]any

// Profile is a person, a guest or another bot.
type Profile struct {
	ID             string // made where empty
	Name           string // the handle
	RealName       string // Name where empty
	Email          string
	EmailConfirmed bool
	Admin          bool
	Bot            bool
	Deleted        bool
	Guest          bool   // multi-channel guest: is_restricted
	ChannelGuest   bool   // single-channel guest: is_ultra_restricted, and is_restricted
	TeamID         string // the workspace's where empty; another one's people are in shared channels only
	Timezone       string // of the IANA; UTC where empty
}

// User is somebody in the workspace, who can act and see.
type User struct {
	fake    *Fake
	id      string
	profile Profile
}

// AddUser lets somebody in.
func (f *Fake) AddUser(p Profile) *User {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.ID == "" {
		p.ID = f.id("U")
	}
	if p.RealName == "" {
		p.RealName = p.Name
	}
	if p.TeamID == "" {
		p.TeamID = f.o.Team
	}
	u := &User{fake: f, id: p.ID, profile: p}
	f.users = append(f.users, u)
	f.touch()
	return u
}

// Users are all that were let in, the app's own bot and Slackbot first.
func (f *Fake) Users() []*User {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.users)
}

// User finds somebody by id.
func (f *Fake) User(id string) (*User, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.user(id)
	return u, u != nil
}

func (f *Fake) user(id string) *User {
	for _, u := range f.users {
		if u.id == id {
			return u
		}
	}
	return nil
}

// ID is the user's id.
func (u *User) ID() string { return u.id }

// Profile is what is known of the user now.
func (u *User) Profile() Profile {
	u.fake.mu.Lock()
	defer u.fake.mu.Unlock()
	return u.profile
}

// Change changes a person: an address that is taken away, an account that is closed.
func (u *User) Change(change func(*Profile)) {
	u.fake.mu.Lock()
	defer u.fake.mu.Unlock()
	change(&u.profile)
	u.fake.touch()
}

// describe is the user as the Web API shows them to the app: https://docs.slack.dev/reference/objects/user-object
func (u *User) describe() object {
	p, f := u.profile, u.fake
	profile := object{"real_name": p.RealName, "display_name": p.Name, "team": p.TeamID}
	foreign := p.TeamID != f.o.Team
	if f.granted("users:read.email") && p.Email != "" && !foreign {
		profile["email"] = p.Email
	}
	if p.Bot {
		profile["bot_id"] = "B" + u.id[1:]
	}
	if u.id == BotUserID {
		profile["bot_id"], profile["api_app_id"] = BotID, AppID
	}
	zone, err := time.LoadLocation(p.Timezone)
	if err != nil {
		zone = time.UTC
	}
	_, offset := f.clock.Now().In(zone).Zone()
	return object{
		"id": u.id, "team_id": p.TeamID, "name": p.Name, "real_name": p.RealName, "deleted": p.Deleted, "profile": profile,
		"is_bot":   p.Bot && u.id != SlackbotID, // Slack says so, of all bots, of Slackbot
		"is_admin": p.Admin, "is_restricted": p.Guest || p.ChannelGuest, "is_ultra_restricted": p.ChannelGuest,
		"is_stranger": foreign && !f.meets(u), "is_app_user": false, "is_email_confirmed": p.Email != "" && p.EmailConfirmed,
		"tz": zone.String(), "tz_offset": offset, "updated": f.clock.Now().Unix(),
	}
}

// meets says whether somebody is in a channel together with the app.
func (f *Fake) meets(u *User) bool {
	return slices.ContainsFunc(f.channels, func(c *Channel) bool { return c.bot && c.has(u.id) })
}

// Room is a channel to be made.
type Room struct {
	ID         string // made where empty
	Name       string // without #
	Private    bool
	SharedWith []string // teams of other organisations: Slack Connect
	OrgShared  bool     // between workspaces of one organisation
	Members    []*User
	WithoutBot bool // the app was not invited
	Archived   bool
}

// Channel is a channel, or the direct messages between the app and somebody.
type Channel struct {
	fake     *Fake
	id       string
	room     Room
	im       *User // of direct messages
	bot      bool  // the app is in
	members  []string
	messages []*Message
}

// AddChannel opens a channel.
func (f *Fake) AddChannel(r Room) *Channel {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.ID == "" {
		r.ID = f.id("C")
	}
	c := &Channel{fake: f, id: r.ID, room: r, bot: !r.WithoutBot}
	for _, u := range r.Members {
		c.members = append(c.members, u.id)
	}
	f.channels = append(f.channels, c)
	f.touch()
	return c
}

// Channels are all channels and direct messages.
func (f *Fake) Channels() []*Channel {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.channels)
}

// Channel finds a channel or direct messages by id.
func (f *Fake) Channel(id string) (*Channel, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.channel(id)
	return c, c != nil
}

func (f *Fake) channel(id string) *Channel {
	for _, c := range f.channels {
		if c.id == id {
			return c
		}
	}
	return nil
}

// ID is the channel's id.
func (c *Channel) ID() string { return c.id }

// Name is the channel's name, as commands tell it: `directmessage` between the app and somebody.
func (c *Channel) Name() string {
	if c.im != nil {
		return "directmessage"
	}
	return c.room.Name
}

// DirectWith is the person whose direct messages with the app these are, or nil.
func (c *Channel) DirectWith() *User { return c.im }

// Join brings somebody into the channel.
func (c *Channel) Join(u *User) {
	c.fake.mu.Lock()
	defer c.fake.mu.Unlock()
	if !c.has(u.id) {
		c.members = append(c.members, u.id)
	}
	c.fake.touch()
}

// Leave takes somebody out of the channel.
func (c *Channel) Leave(u *User) {
	c.fake.mu.Lock()
	defer c.fake.mu.Unlock()
	c.members = slices.DeleteFunc(c.members, func(id string) bool { return id == u.id })
	c.fake.touch()
}

// Invite brings the app into the channel, or takes it out.
func (c *Channel) Invite(in bool) {
	c.fake.mu.Lock()
	defer c.fake.mu.Unlock()
	c.bot = in
	c.fake.touch()
}

// In says whether somebody is in a channel.
func (u *User) In(c *Channel) bool {
	u.fake.mu.Lock()
	defer u.fake.mu.Unlock()
	return c.has(u.id)
}

func (c *Channel) has(user string) bool { return slices.Contains(c.members, user) }

// readable says whether somebody may read along: in public channels all people of the workspace but guests may.
func (c *Channel) readable(u *User) bool {
	p := u.profile
	return c.has(u.id) || !c.room.Private && c.im == nil && p.TeamID == c.fake.o.Team && !p.Guest && !p.ChannelGuest
}

// kind is what scopes and events call this sort of conversation.
func (c *Channel) kind() string {
	switch {
	case c.im != nil:
		return "im"
	case c.room.Private:
		return "groups"
	}
	return "channels"
}

// describe is the channel as the Web API shows it: https://docs.slack.dev/reference/objects/conversation-object
func (c *Channel) describe() object {
	if c.im != nil {
		return object{"id": c.id, "is_im": true, "is_channel": false, "is_private": true, "user": c.im.id, "is_open": true, "is_archived": false}
	}
	teams := append([]string{c.fake.o.Team}, c.room.SharedWith...)
	external := len(c.room.SharedWith) > 0
	return object{
		"id": c.id, "name": c.room.Name, "is_channel": !c.room.Private, "is_group": c.room.Private, "is_im": false, "is_mpim": false,
		"is_private": c.room.Private, "is_archived": c.room.Archived, "is_member": c.bot, "num_members": len(c.members),
		"is_shared": external || c.room.OrgShared, "is_ext_shared": external, "is_org_shared": c.room.OrgShared,
		"shared_team_ids": teams, "connected_team_ids": c.room.SharedWith, "context_team_id": c.fake.o.Team,
	}
}

// direct is the conversation between the app and somebody, opened if it was not yet.
func (f *Fake) direct(u *User) *Channel {
	for _, c := range f.channels {
		if c.im == u {
			return c
		}
	}
	c := &Channel{fake: f, id: f.id("D"), im: u, bot: true, members: []string{u.id}}
	f.channels = append(f.channels, c)
	f.touch()
	return c
}
