// Package bot is MyDB's conversation: one grammar, the dispatch of its commands to core.Service, and the sentences of the answers.
// Slack, Discord and the terminal only carry text in and out.
//
// The way through: grammar.go holds the commands as data, from which the parser, the help and later the forms of the chat
// programs come. words.go cuts a message into words, parse.go turns them into a Parsed command, bot.go carries it out, and
// render.go and progress.go say what came of it.
package bot
