package mail

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/jobs/mail/mailtest"
)

// TestSendThroughARealServer sends in each way of protecting the connection, and reads what arrived.
func TestSendThroughARealServer(t *testing.T) {
	for _, mode := range []string{config.TLSNone, config.TLSStart, config.TLSFull} {
		t.Run(mode, func(t *testing.T) {
			server := mailtest.Start(t, mode)
			s := sender(t, Options{Server: server.MailServer, CAFile: server.CAFile})
			if err := s.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := server.Attempts(); n != 0 {
				t.Errorf("a check sent %d mails", n)
			}
			m := mailOf(t, letter(t, "ready", core.NewsReady{Engine: "postgres", Version: "17", Username: "genomes"}))
			m.Name = "Zoë Müller"
			if err := s.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			got := server.Received()
			if len(got) != 1 || got[0].Header.Get("Message-Id") != "<"+m.ID+"@mydb.example.org>" {
				t.Fatalf("received %v", got)
			}
			if to, err := got[0].Header.AddressList("To"); err != nil || to[0].Name != "Zoë Müller" {
				t.Errorf("To = %v, %v", to, err)
			}
			forms := parts(t, got[0].Header.Get("Content-Type"), got[0].Body)
			for kind, want := range map[string]string{"text/plain": "PostgreSQL 17 database genomes", "text/html": "<h1 "} {
				if !strings.Contains(forms[kind], want) {
					t.Errorf("the form %s lacks %q:\n%s", kind, want, forms[kind])
				}
			}
		})
	}
}

// parts reads the forms of a mail, by media type. multipart undoes their transfer encoding.
func parts(t *testing.T, contentType string, body io.Reader) map[string]string {
	t.Helper()
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		out[kind] = string(b)
	}
}

// TestWhatServersSay tells what passes from what does not, and keeps the password out of what is said about it.
func TestWhatServersSay(t *testing.T) {
	for _, c := range []struct {
		name    string
		how     mailtest.Behaviour
		change  func(*Options)
		refused bool
		says    string
	}{
		{name: "greylisting", how: mailtest.Greylist, says: "451"},
		{name: "no such user", how: mailtest.NoUser, refused: true, says: "no such user"},
		{name: "spam", how: mailtest.Spam, refused: true, says: "554"},
		{name: "sender", how: mailtest.NoSender, says: "553"}, // the operator can mend it
		{name: "drop", how: mailtest.Drop, says: "cannot be used"},
		{name: "hang", how: mailtest.Hang, says: "in time"},
		{name: "password", change: func(o *Options) { o.Server.Password = "another-canary" }, says: "535"},
		{name: "no login", change: func(o *Options) { o.Server.Username, o.Server.Password = "", "" }, says: "authenticate first"},
		{name: "certificate", change: func(o *Options) { o.CAFile = "" }, says: "certificate"},
		{name: "nobody there", change: func(o *Options) { o.Server.Port = closedPort(t) }, says: "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := mailtest.Start(t, config.TLSStart)
			server.Next(c.how)
			o := Options{Server: server.MailServer, CAFile: server.CAFile}
			if c.change != nil {
				c.change(&o)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			start := time.Now()
			err := sender(t, o).Send(ctx, mailOf(t, letter(t, "purged", core.NewsPurged{})))
			var told *jobs.MailError
			if !errors.As(err, &told) || told.Refused != c.refused || !strings.Contains(strings.ToLower(told.Message), strings.ToLower(c.says)) {
				t.Errorf("Send = %+v; want refused %t, with %q", err, c.refused, c.says)
			}
			if told != nil && strings.Contains(told.Message, "canary") {
				t.Errorf("the password is in %q", told.Message)
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("Send came back %s after its context had ended", d-2*time.Second)
			}
			if n := len(server.Received()); n != 0 {
				t.Errorf("%d mails were taken", n)
			}
		})
	}
}

// TestNoPasswordInTheClear holds a server that offers no TLS to what was asked for.
func TestNoPasswordInTheClear(t *testing.T) {
	server := mailtest.Start(t, config.TLSNone)
	o := Options{Server: server.MailServer, CAFile: server.CAFile}
	o.Server.TLS = config.TLSStart
	err := sender(t, o).Send(t.Context(), mailOf(t, letter(t, "purged", core.NewsPurged{})))
	if err == nil || !strings.Contains(err.Error(), "STARTTLS") || server.Attempts() != 0 {
		t.Errorf("Send = %v, %d attempts; want a refusal to go on without STARTTLS", err, server.Attempts())
	}
}

func closedPort(t *testing.T) int {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestHostileWordsThroughARealServer sends what people may have written into every place of every kind of mail, and reads what arrived:
// no header came of it, and no address to send to.
func TestHostileWordsThroughARealServer(t *testing.T) {
	const hostile = "x\r\nBcc: victim@example.com\r\n\r\n.\r\nRCPT TO:<victim@example.com>\n<script>"
	at := time.Date(2027, 6, 30, 12, 0, 0, 0, time.UTC)
	server := mailtest.Start(t, config.TLSNone)
	s := sender(t, Options{Server: server.MailServer})
	kinds := map[string]core.News{
		"ready":            core.NewsReady{Engine: hostile, Version: hostile, Host: hostile, Database: hostile, Username: hostile, Size: hostile, Old: []string{hostile}},
		"failed":           core.NewsFailed{Action: hostile, Message: hostile, Reference: hostile},
		"alarm":            core.NewsAlarm{Alarm: hostile, Subject: hostile, Message: hostile},
		"expiring":         core.NewsExpiring{Days: 1, ExpiresAt: at},
		"approval_asked":   core.NewsApprovalAsked{Approval: hostile, Action: hostile, By: hostile, Reason: hostile},
		"approval_decided": core.NewsApprovalDecided{Action: hostile, By: hostile, Reason: hostile},
		"trashed":          core.NewsTrashed{By: hostile},
		"purged":           core.NewsPurged{Removed: []string{hostile}},
		"shared":           core.NewsShared{By: hostile, Username: hostile},
		"transferred":      core.NewsTransferred{By: hostile, From: hostile, To: hostile},
		"undeliverable":    core.NewsUndeliverable{Subject: hostile, Name: hostile, Address: hostile, Reason: hostile},
		"identity":         core.NewsIdentity{Name: hostile, Linked: true},
		"undelivered":      core.NewsUndelivered{Text: hostile},
		"restored":         core.NewsRestored{By: hostile, Renewed: []string{hostile}, Left: []string{hostile}, Old: []string{hostile}},
		"password":         core.NewsPassword{Username: hostile, By: hostile},
		"rotated":          core.NewsRotated{Username: hostile, By: hostile},
		"digest":           core.NewsDigest{Zone: hostile, Needs: []string{hostile}, Done: []core.Fact{{Name: hostile, Value: hostile}}},
	}
	for kind, news := range kinds {
		l := letter(t, kind, news)
		l.Database, l.PersonID = hostile, &l.ID
		m := mailOf(t, l)
		m.Name, m.Kind = hostile, hostile
		if err := s.Send(t.Context(), m); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	got := server.Received()
	if len(got) != len(kinds) {
		t.Fatalf("%d mails arrived of %d", len(got), len(kinds))
	}
	known := []string{
		"Auto-Submitted", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To", "X-Auto-Response-Suppress", "X-Mydb-Notification",
	}
	for _, m := range got {
		subject := m.Header.Get("Subject")
		for name, values := range m.Header {
			if !slices.Contains(known, name) || len(values) != 1 || strings.ContainsAny(values[0], "\r\n") {
				t.Errorf("%q has the header %s: %q", subject, name, values)
			}
		}
		if to, err := m.Header.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != "ada@example.org" {
			t.Errorf("%q goes to %v, %v", subject, to, err)
		}
		if html := parts(t, m.Header.Get("Content-Type"), m.Body)["text/html"]; html == "" || strings.Contains(html, "<script") {
			t.Errorf("%q: %s", subject, html)
		}
	}
}
