// Package chatsim is a Slack and a Discord to play with: the two fakes, filled with a few people and channels, and a web page that looks
// like a workspace, in which somebody can be any of these people. MyDB talks to the fakes through its real adapters, and does not know
// that nobody else is there. `mydb chat-sim` serves it, and so does development mode.
//
// The way through: sim.go starts everything and says how MyDB is pointed at it; people.go says who and what is there. server.go is the
// page's routes and who may use them, page.go what a page shows, the same for both services. slack.go and discord.go act and look for the
// page in their fake; blocks.go and rich.go draw what Slack's messages and forms consist of, embeds.go what Discord's do, and markup.go
// makes HTML of the text of both.
//
// It is for one person on one machine: it listens on the loopback interface only, and its page opens with a key.
package chatsim
