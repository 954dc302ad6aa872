package main

import (
	"context"
	"fmt"

	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/jobs/mail"
)

// mailer is nil when mail is off.
func (a *App) mailer() (jobs.Mailer, error) {
	if !a.Config.MailOn() {
		return nil, nil //nolint:nilnil // no mail is an ordinary setting
	}
	return a.mail()
}

func (a *App) mail() (*mail.Sender, error) {
	server, err := a.Config.MailServer()
	if err != nil {
		return nil, err
	}
	return mail.New(mail.Options{Server: server, From: a.Config.MailFrom, Site: a.Config.PublicURL, CAFile: a.Config.SMTPCAFile})
}

func (a *App) checkMail(ctx context.Context) (string, error) {
	if !a.Config.MailOn() {
		return "mail is off: MYDB_SMTP_URL is not set, so nobody is told anything by mail", nil
	}
	sender, err := a.mail()
	if err != nil {
		return "", err
	}
	if err := sender.Check(ctx); err != nil {
		return "", fmt.Errorf("MYDB_SMTP_URL: %w", err)
	}
	return sender.Addr() + " answers; mail comes from " + a.Config.MailFrom, nil
}
