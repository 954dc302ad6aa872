// Package mail delivers notifications over SMTP. It implements jobs.Mailer: the words come from core, the layout from two templates
// that say the same in text and in HTML, and wneessen/go-mail writes the message and speaks with the server.
package mail
