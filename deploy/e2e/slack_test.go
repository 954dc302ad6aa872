package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// workspace is a Slack with the two people whom development mode knows.
type workspace struct {
	*slackfake.Fake
	t                *testing.T
	scientist, admin *slackfake.User
	lab, office      *slackfake.Channel
}

func newWorkspace(t *testing.T) *workspace {
	t.Helper()
	f := slackfake.Start(t, slackfake.Options{})
	w := &workspace{Fake: f, t: t}
	w.scientist = f.AddUser(slackfake.Profile{Name: "scientist", Email: "scientist@example.com", EmailConfirmed: true})
	w.admin = f.AddUser(slackfake.Profile{Name: "admin", Email: "admin@example.com", EmailConfirmed: true})
	w.lab = f.AddChannel(slackfake.Room{Name: "lab", Members: []*slackfake.User{w.scientist}})
	w.office = f.AddChannel(slackfake.Room{Name: "office", Private: true, Members: []*slackfake.User{w.admin}})
	return w
}

func (w *workspace) settings() []string {
	return []string{
		"MYDB_SLACK_BOT_TOKEN=" + w.BotToken(), "MYDB_SLACK_APP_TOKEN=" + w.AppToken(), "MYDB_SLACK_API_URL=" + w.APIURL(),
		"MYDB_SLACK_ADMIN_CHANNEL=" + w.office.ID(), "MYDB_SLACK_TEAM_ID=" + w.Team(),
	}
}

func (w *workspace) patient() context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), createLimit)
	w.t.Cleanup(cancel)
	return ctx
}

// sees waits until somebody sees a text.
func (w *workspace) sees(u *slackfake.User, c *slackfake.Channel, text string) slackfake.Message {
	w.t.Helper()
	m, err := u.AwaitMessage(w.patient(), c, func(m slackfake.Message) bool { return strings.Contains(m.Shown(), text) })
	if err != nil {
		w.t.Fatalf("%q: %v", text, err)
	}
	return m
}

// acked waits until the server has acknowledged something.
func (w *workspace) acked(d *slackfake.Delivery) {
	w.t.Helper()
	if r, err := d.Wait(w.patient()); err != nil || !r.Acked {
		w.t.Fatalf("%s was not acknowledged: %+v, %v", d.Kind, r, err)
	}
}

// TestSlack lives a database's life in Slack, with the real server and a real database.
func TestSlack(t *testing.T) {
	s, w := newSite(t), newWorkspace(t)
	s.start(w.settings()...)
	if err := w.Await(w.patient(), func() bool { return w.Connections() > 0 }); err != nil {
		t.Fatal(err)
	}
	check := exec.CommandContext(t.Context(), s.binary, "check")
	check.Env = s.environment(w.settings())
	if out, _ := check.CombinedOutput(); !regexp.MustCompile(`ok +chat +Slack: mydb in the workspace MyDB's workspace \(` + w.Team() + `\), Socket Mode`).Match(out) {
		t.Errorf("check says\n%s", out)
	}

	w.acked(w.scientist.Command(w.lab, "/mydb", "create postgres genomes"))
	w.sees(w.scientist, w.lab, "genomes is ready")
	offer := w.sees(w.scientist, w.scientist.Direct(), "has a password for you")
	w.acked(w.scientist.Click(offer, "reveal"))
	var secret string
	err := w.Await(w.patient(), func() bool {
		v, _ := w.scientist.Modal()
		shown := v.Shown()
		if len(shown) > 1 && shown[len(shown)-1] != "" {
			for n, text := range shown[1:] {
				if text == "Password" && n+2 < len(shown) {
					secret = shown[n+2]
				}
			}
		}
		return secret != ""
	})
	if err != nil {
		t.Fatal(err)
	}
	s.logsIn("genomes", secret)
	for _, c := range w.Leaks(secret) {
		if c.Method != "views.update" {
			t.Errorf("the password was sent in %s", c.Method)
		}
	}
	if strings.Contains(s.server.output.String(), secret) {
		t.Error("the password is in the log")
	}

	w.acked(w.scientist.Command(w.lab, "/mydb", "delete genomes"))
	asked := w.sees(w.admin, w.office, "delete genomes")
	w.acked(w.admin.Click(asked, "approve"))
	w.sees(w.admin, w.office, "Approved by admin")
	w.sees(w.scientist, w.scientist.Direct(), "Approved by admin")
	s.poll(createLimit, "genomes is in the trash", func() bool { return s.database("genomes").State == "trashed" })
	for _, line := range []string{`mydb_chat_connected{platform="slack"} 1`, `mydb_chat_acknowledged_age_seconds{platform="slack"} `} {
		if _, metrics := s.get("/metrics"); !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if v := w.Report().Violations; len(v) > 0 {
		t.Errorf("Slack's rules were broken: %v", v)
	}
	s.stop()
}

// logsIn connects to a database as its owner does.
func (s *site) logsIn(name, secret string) {
	s.t.Helper()
	d := s.database(name)
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=%s sslmode=require", d.Host, d.Port, d.Username, secret, d.Database))
	if err != nil {
		s.t.Fatalf("log in with what Slack showed: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create table seen (n int)"); err != nil {
		s.t.Fatal(err)
	}
}
