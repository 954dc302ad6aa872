package discordfake

import (
	"cmp"
	"slices"
	"time"
)

// Permissions that matter here, as bits of Discord's permission numbers.
const (
	Administrator   = 1 << 3
	ManageGuild     = 1 << 5
	viewChannel     = 1 << 10
	sendMessages    = 1 << 11
	embedLinks      = 1 << 14
	attachFiles     = 1 << 15
	readHistory     = 1 << 16
	mentionEveryone = 1 << 17
	useCommands     = 1 << 31
	usualRights     = viewChannel | sendMessages | embedLinks | attachFiles | readHistory | mentionEveryone | useCommands
)

// Role is a role of the guild. Permissions come on top of those that everyone has.
type Role struct {
	ID          string
	Name        string
	Permissions int
}

// UserSpec says what kind of user AddUserWith adds.
type UserSpec struct {
	ID          string // default: a new one
	Name        string // the user's name, which is unique and may be changed by its owner
	DisplayName string // default: Name
	Bot         bool
	Stranger    bool // not a member of the guild
	Roles       []*Role
}

// User is somebody with an account. What they do is in user.go.
type User struct {
	ID   string
	Name string // with which the user was added; Rename does not change it here

	fake    *Fake
	name    string
	display string
	bot     bool
	member  bool
	nick    string
	dms     bool // whether direct messages are refused
	roles   []*Role
	joined  time.Time
	modal   *Modal
}

// Channel is a channel of the guild, or the direct messages of one user with the bot.
type Channel struct {
	ID   string
	Name string

	fake     *Fake
	with     *User   // of direct messages
	members  []*User // who may see it; nil: all members of the guild
	shutOut  bool    // the bot may not see it
	muted    bool    // the bot may not write
	deleted  bool
	messages []*Message // oldest first
}

// AddUser adds a member of the guild.
func (f *Fake) AddUser(name string, roles ...*Role) *User {
	return f.AddUserWith(UserSpec{Name: name, Roles: roles})
}

// AddUserWith adds a user as the spec says.
func (f *Fake) AddUserWith(spec UserSpec) (u *User) {
	f.lock(func() {
		u = &User{
			fake: f, ID: cmp.Or(spec.ID, f.newID()), Name: spec.Name, name: spec.Name, display: cmp.Or(spec.DisplayName, spec.Name),
			bot: spec.Bot, member: !spec.Stranger, roles: spec.Roles, joined: f.now(),
		}
		f.users = append(f.users, u)
	})
	return u
}

// AddRole adds a role to the guild, with permissions such as ManageGuild.
func (f *Fake) AddRole(name string, permissions int) (r *Role) {
	f.lock(func() {
		r = &Role{ID: f.newID(), Name: name, Permissions: permissions}
		f.roles = append(f.roles, r)
	})
	return r
}

// AddChannel adds a channel to the guild: for all members, or for the bot and those who are named.
func (f *Fake) AddChannel(name string, members ...*User) *Channel {
	return f.AddChannelWithID("", name, members...)
}

// AddChannelWithID is AddChannel for a channel whose id is known before, as one that a configuration names.
func (f *Fake) AddChannelWithID(id, name string, members ...*User) (c *Channel) {
	f.lock(func() {
		c = &Channel{fake: f, ID: cmp.Or(id, f.newID()), Name: name, members: members}
		f.channels = append(f.channels, c)
		f.dispatch("CHANNEL_CREATE", intentGuilds, c.payload())
	})
	return c
}

// Users are all users but the bot, in the order in which they were added.
func (f *Fake) Users() []*User {
	defer f.hold()()
	return slices.DeleteFunc(slices.Clone(f.users), func(u *User) bool { return u == f.Bot })
}

// Channels are those that a user sees: of the guild, and direct messages once there are some.
func (u *User) Channels() []*Channel {
	defer u.fake.hold()()
	return slices.DeleteFunc(slices.Clone(u.fake.channels), func(c *Channel) bool { return !c.seenBy(u) })
}

// IsDM says whether the channel is the direct messages of somebody with the bot.
func (c *Channel) IsDM() bool { return c.with != nil }

// DM is the user's direct messages with the bot.
func (u *User) DM() (c *Channel) {
	u.fake.lock(func() { c = u.dm() })
	return c
}

func (u *User) dm() *Channel {
	i := slices.IndexFunc(u.fake.channels, func(c *Channel) bool { return c.with == u })
	if i < 0 {
		u.fake.channels = append(u.fake.channels, &Channel{fake: u.fake, ID: u.fake.newID(), Name: "@" + u.Name, with: u})
		i = len(u.fake.channels) - 1
	}
	return u.fake.channels[i]
}

// ShutOut takes the channel away from the bot, or gives it back.
func (c *Channel) ShutOut(yes bool) { c.fake.lock(func() { c.shutOut = yes }) }

// Mute takes the right to write from the bot, or gives it back.
func (c *Channel) Mute(yes bool) { c.fake.lock(func() { c.muted = yes }) }

// Delete deletes the channel with all that is in it.
func (c *Channel) Delete() {
	c.fake.lock(func() {
		c.deleted = true
		c.fake.dispatch("CHANNEL_DELETE", intentGuilds, c.payload())
	})
}

// CloseDMs makes the user refuse direct messages, or take them again.
func (u *User) CloseDMs(yes bool) { u.fake.lock(func() { u.dms = yes }) }

// Leave takes the user out of the guild.
func (u *User) Leave() { u.fake.lock(func() { u.member = false }) }

// Join makes the user a member of the guild.
func (u *User) Join() { u.fake.lock(func() { u.member = true }) }

// SetRoles exchanges the user's roles.
func (u *User) SetRoles(roles ...*Role) { u.fake.lock(func() { u.roles = roles }) }

// Rename changes the name and the display name of the user, as anybody may at any time. The id stays.
func (u *User) Rename(name, display string) {
	u.fake.lock(func() { u.name, u.display = name, cmp.Or(display, name) })
}

// DisplayName is how the user is called everywhere.
func (u *User) DisplayName() string {
	defer u.fake.hold()()
	return u.display
}

// Nick changes how the user is called in the guild.
func (u *User) Nick(nick string) { u.fake.lock(func() { u.nick = nick }) }

func (u *User) permissions() int {
	all := usualRights
	for _, r := range u.roles {
		all |= r.Permissions
	}
	return all
}

func (c *Channel) seenBy(u *User) bool {
	switch {
	case c.deleted:
		return false
	case c.with != nil:
		return c.with == u
	}
	return u.member && (c.members == nil || slices.Contains(c.members, u))
}

func (f *Fake) user(id string) *User {
	i := slices.IndexFunc(f.users, func(u *User) bool { return u.ID == id })
	if i < 0 {
		return nil
	}
	return f.users[i]
}

func (f *Fake) channel(id string) *Channel {
	i := slices.IndexFunc(f.channels, func(c *Channel) bool { return c.ID == id && !c.deleted })
	if i < 0 {
		return nil
	}
	return f.channels[i]
}
