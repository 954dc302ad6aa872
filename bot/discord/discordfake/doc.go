// Package discordfake is a Discord that runs in this process: a real HTTP and WebSocket server that answers as Discord does, as far
// as MyDB uses it, and that enforces Discord's limits, so that what works against it works against the real one. Tests use it, and
// so does `mydb chat-sim`. It knows no Discord library: everything is read and written as JSON, as by a stranger.
//
// The way through: fake.go makes a Fake and guild.go puts people and channels into it. Those people act in user.go, form.go and
// typing.go (commands, clicks, forms, typed text); each act makes an Interaction (interaction.go, payload.go), which reaches the bot
// through the gateway (gateway.go, session.go, gatewayfault.go) or as a signed POST (post.go). The bot answers through the REST
// interface: rest.go is the way of every call (fault.go spoils it on demand, ratelimit.go brakes it), routes.go the table;
// callback.go takes the first answer, webhook.go what follows it, messages.go and write.go messages in channels, directory.go people,
// commands.go the registration of commands. What Discord refuses is in the check files: content.go, component.go, definition.go, with
// errors.go for how it says so. record.go keeps every call and what was wrong, report.go sums it up, wait.go waits without sleeping.
//
// What is not there, because MyDB does not use it: threads, reactions, voice, sharding, context menus, and forms of labels, which
// the library that MyDB uses cannot read.
package discordfake
