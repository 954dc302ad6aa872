// Package slack is MyDB on Slack, with slack-go. It only translates: what people may say is the bot's grammar, and what becomes of it is
// the desk's and the workers' affair.
//
// The way of what comes in: socket.go holds the connection of Socket Mode, or http.go takes signed requests; both hand what they get to
// intake.go, which answers in time. command.go, mention.go, click.go and form.go say what each kind means, people.go whom people mean,
// reveal.go shows a password once. The way
// of what goes out: platform.go posts and updates messages, which message.go makes of cards (text.go keeps what people wrote from being taken for
// more), whisper.go answers one person where they asked. call.go is the way of every call, and says what an answer of Slack means; health.go measures whether
// anything would be heard.
package slack
