// Package slackfake is a workspace of Slack with one app in it: a real server that speaks the Web API, Socket Mode and HTTP mode as
// far as MyDB uses them, and keeps Slack's limits as strictly as Slack does, or more strictly where Slack is silently lenient. Tests
// run the real adapter against it, and `bin/mydb chat-sim` puts a small web page in front of it.
//
// The way through, from the outside: fake.go starts it (Start in tests, New elsewhere) and waits without sleeping (Fake.Await,
// User.AwaitMessage, User.AwaitModal). world.go holds people and channels. A User acts as a person does: act.go for commands, mentions and
// direct messages, click.go for buttons and menus, submit.go for modals. A User also sees: message.go, view.go. What a person does is a
// Delivery (delivery.go), carried by socket.go or request.go, whose Wait tells what the app answered.
//
// The app's side: web.go is the Web API with its table of methods, scopes and tiers; web_chat.go, web_lookup.go, view.go and file.go are
// the methods; trigger.go has what lives only for a while, by clock.go. limits.go is the table of all limits of Block Kit with their
// sources, validate.go applies it, content.go and state.go read what came in.
//
// For tests of bad days: chaos.go (duplicates, reordering, lost acknowledgements, 429 and faults of single calls), socket.go (dropped,
// silent and refreshed connections), request.go (forged and replayed requests), unfurl.go (previews of links). record.go keeps every
// call (Fake.Calls, Fake.Leaks) and how the app kept the limits (Fake.Report).
//
// Where it differs from Slack: it refuses what MyDB has no use for (attachments, unknown blocks, lists of people in
// conversations.open) instead of having it half-way, answers a text of more than 40,000 characters with msg_too_long instead of
// cutting it, and refuses replies to what is no beginning of a thread, which Slack lets vanish. It has no enterprise grid, no home
// tab, no shortcuts, no reactions, and delivers no block_suggestion.
package slackfake
