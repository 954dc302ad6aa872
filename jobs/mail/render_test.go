package mail

import (
	"bytes"
	"encoding/json"
	"flag"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/jobs"
)

var update = flag.Bool("update", false, "write the golden files anew")

const site = "https://mydb.example.org"

// letter is a letter as the worker finds it, about the database genomes.
func letter(t *testing.T, kind string, data any) core.Letter {
	t.Helper()
	b, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	id := "d1234567890abcdefghi"
	return core.Letter{ID: "n1234567890abcdefghi", Kind: kind, Audience: core.ToOwner, Database: "genomes", InstanceID: &id, Data: b}
}

func mailOf(t *testing.T, l core.Letter) jobs.Mail {
	t.Helper()
	text, err := l.Text()
	if err != nil {
		t.Fatal(err)
	}
	return jobs.Mail{
		ID: l.ID, Kind: l.Kind, Name: "Ada Lovelace", Address: "ada@example.org", At: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC), Text: text, Why: l.Why(), Choice: l.Choice(),
	}
}

// TestMails holds the mail of each kind of news to its golden file: what people read, in both forms.
func TestMails(t *testing.T) {
	at := time.Date(2027, 6, 30, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, kind string
		news       core.News
	}{
		{"ready", "ready", core.NewsReady{Engine: "postgres", Version: "17", Size: "small", Host: "db.example.org", Port: 25010, Database: "genomes", Username: "genomes", ExpiresAt: &at}},
		{"failed", "failed", core.NewsFailed{Action: "create", Message: "No machine has room for a large database. Choose a smaller size.", Reference: "cv123"}},
		{"failed-resize", "failed", core.NewsFailed{Action: "resize", Message: "The server did not come up with the new size, so it has the old one again."}},
		{"alarm", "alarm", core.NewsAlarm{Alarm: "disk", Message: "genomes uses 9.1 of 10 GiB. Remove what nobody needs, or choose a larger size.", Since: at}},
		{"alarm-over", "alarm", core.NewsAlarm{Alarm: "crash_loop", Message: "The server ended 5 times in 10 minutes.", Since: at, Resolved: true}},
		{"expiring", "expiring", core.NewsExpiring{Days: 7, ExpiresAt: at}},
		{"expired", "expiring", core.NewsExpiring{ExpiresAt: at, Stopped: true}},
		{"approval-asked", "approval_asked", core.NewsApprovalAsked{Approval: "ap1", Action: "delete", By: "ada", Reason: "The paper is <published> & done", ExpiresAt: at}},
		{"approved", "approval_decided", core.NewsApprovalDecided{Action: "delete", Approved: true, By: "grace"}},
		{"denied", "approval_decided", core.NewsApprovalDecided{Action: "delete", By: "grace", Reason: "Lab 3 reads it"}},
		{"undecided", "approval_decided", core.NewsApprovalDecided{Action: "delete"}},
		{"trashed", "trashed", core.NewsTrashed{By: "ada", PurgeAt: at}},
		{"purged", "purged", core.NewsPurged{Removed: []string{"service mydb-d1", "volume mydb-d1-g1"}}},
		{"shared", "shared", core.NewsShared{By: "ada", Username: "genomes_grace", Writes: true, EndsAt: &at}},
		{"share-ended", "shared", core.NewsShared{By: "ada", Username: "genomes_grace", Ended: true}},
		{"rotated", "rotated", core.NewsRotated{Username: "genomes", By: "root", Own: true}},
		{"rotated-pipeline", "rotated", core.NewsRotated{Username: "pipe_2", By: "ada"}},
		{"digest", "digest", core.NewsDigest{
			Since: at.Add(-24 * time.Hour), Until: at, Zone: "Europe/Zurich", Done: []core.Fact{{Name: "Backups made", Value: "40, and 1 failed"}, {Name: "Databases now", Value: "41"}},
			Needs: []string{"genomes: backup late. The newest good backup is 3 days old.", "ada waits for a decision until 2 July 2027, 14:00 CEST: delete variants."},
		}},
		{"digest-quiet", "digest", core.NewsDigest{Since: at.Add(-24 * time.Hour), Until: at, Zone: "UTC", Done: []core.Fact{{Name: "Databases now", Value: "41"}}}},
		{"undeliverable", "undeliverable", core.NewsUndeliverable{Subject: "genomes is ready", Name: "Ada", Address: "ada@example.org", Reason: "550 no such user"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := letter(t, c.kind, c.news)
			if c.kind == "digest" { // is about no database, and for people with an account
				l.Audience, l.Database, l.InstanceID, l.PersonID = core.ToAdmins, "", nil, &l.ID
			}
			r, err := render(mailOf(t, l), site)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, c.name+".txt", "Subject: "+r.subject+"\n\n"+r.text)
			golden(t, c.name+".html", r.html)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func sender(t *testing.T, o Options) *Sender {
	t.Helper()
	if o.From == "" {
		o.From = "Datenbanken für alle <mydb@example.org>"
	}
	if o.Site == "" {
		o.Site = site
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestHostileWords puts what people may write where it could do harm: into headers, HTML and the direction of text.
func TestHostileWords(t *testing.T) {
	hostile := "x\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script> \u202etxt.exe \x00 ünï"
	m := mailOf(t, letter(t, "approval_asked", core.NewsApprovalAsked{Action: "delete", By: hostile, Reason: hostile}))
	m.Name = "Zoë\r\nBcc: victim@example.com"
	msg, err := sender(t, Options{}).message(m)
	if err != nil {
		t.Fatal(err)
	}
	var raw bytes.Buffer
	if _, err := msg.WriteTo(&raw); err != nil {
		t.Fatal(err)
	}
	parsed, err := netmail.ReadMessage(bytes.NewReader(raw.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if bcc := parsed.Header.Get("Bcc"); bcc != "" {
		t.Errorf("a header was slipped in: Bcc: %s", bcc)
	}
	if to, err := parsed.Header.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != "ada@example.org" || !strings.HasPrefix(to[0].Name, "Zoë") {
		t.Errorf("To = %v, %v", to, err)
	}
	r, err := render(m, site)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.html, "<script") || strings.ContainsAny(r.subject+r.text+r.html, "\u202e\x00\r") || strings.Contains(r.subject, "\n") {
		t.Errorf("hostile words got through:\n%s\n%s", r.text, r.html)
	}
}

// TestHeaders reads the headers that programs act on, twice: the Message-ID must be the same.
func TestHeaders(t *testing.T) {
	for range 2 {
		msg, err := sender(t, Options{Server: config.MailServer{Host: "localhost"}}).message(mailOf(t, letter(t, "ready", core.NewsReady{})))
		if err != nil {
			t.Fatal(err)
		}
		var raw bytes.Buffer
		if _, err := msg.WriteTo(&raw); err != nil {
			t.Fatal(err)
		}
		parsed, err := netmail.ReadMessage(&raw)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"Message-Id": "<n1234567890abcdefghi@mydb.example.org>", "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All",
			"X-Mydb-Notification": "ready", "Date": "Sat, 02 Jan 2027 03:04:05 +0000", "Subject": "genomes is ready",
			"From": "=?utf-8?q?Datenbanken_f=C3=BCr_alle?= <mydb@example.org>", "To": `"Ada Lovelace" <ada@example.org>`,
		} {
			if got := parsed.Header.Get(name); got != want {
				t.Errorf("%s: %s; want %s", name, got, want)
			}
		}
	}
}
