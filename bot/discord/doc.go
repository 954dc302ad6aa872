// Package discord is MyDB on Discord, with bwmarrin/discordgo. It only translates: what people may say is the bot's grammar, and what
// becomes of it is the desk's and the workers' affair.
//
// The way of what comes in: gateway.go holds the connection (conn.go notices when it has gone silent), or http.go takes signed requests;
// both hand interactions to interaction.go, which acknowledges in time, and typed.go takes what people write as text. command.go, click.go
// and form.go say what each kind means, reveal.go shows a password once. The way of what goes out: platform.go posts and updates messages,
// which message.go makes of cards (escape.go keeps what people wrote from being taken for more); register.go tells Discord the commands.
// rest.go is the way of every call, refusal.go says what an answer of Discord means.
package discord
