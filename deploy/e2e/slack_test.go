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
)

// TestSlackOverHTTP lives a database's life with requests that Slack sends to the portal, up to a login with the password that Slack showed.
// Neither the portal's checks of where requests come from nor its limits are in the way.
func TestSlackOverHTTP(t *testing.T) {
	s := newSite(t)
	w := newWorkspace(s)
	settings := []string{
		"MYDB_SLACK_BOT_TOKEN=" + w.slack.BotToken(), "MYDB_SLACK_SIGNING_SECRET=" + w.slack.SigningSecret(), "MYDB_SLACK_API_URL=" + w.slack.APIURL(),
		"MYDB_SLACK_ADMIN_CHANNEL=" + w.office.slack.ID(),
	}
	s.start(settings...)
	w.await("the portal answers Slack", func(ctx context.Context) error { return w.slack.UseHTTP(ctx, s.url()) })
	check := exec.CommandContext(t.Context(), s.binary, "check")
	check.Env = s.environment(settings)
	if out, _ := check.CombinedOutput(); !regexp.MustCompile(`ok +chat +Slack: mydb in the workspace MyDB's workspace \(` + w.slack.Team() + `\), requests over HTTP`).Match(out) {
		t.Errorf("check says\n%s", out)
	}

	w.types(w.scientist, "create postgres genomes")
	w.reads(w.scientist, w.lab.slack, "genomes is ready")
	offer := w.reads(w.scientist, w.scientist.slack.Direct(), "has a password for you")
	w.arrives("the password", w.scientist.slack.Click(offer, "reveal"))
	secret := w.shows(w.scientist)
	s.logsIn("genomes", secret)
	for _, c := range w.slack.Leaks(secret) {
		if c.Method != "views.update" {
			t.Errorf("the password was sent in %s", c.Method)
		}
	}
	if strings.Contains(s.server.output.String(), secret) {
		t.Error("the password is in the log")
	}
	w.types(w.scientist, "delete genomes")
	w.arrives("the approval", w.admin.slack.Click(w.reads(w.admin, w.office.slack, "delete genomes"), "approve"))
	w.reads(w.admin, w.office.slack, "Approved by admin")
	w.reads(w.scientist, w.scientist.slack.Direct(), "Approved by admin")
	s.poll(createLimit, "genomes is in the trash", func() bool { return s.database("genomes").State == "trashed" })
	_, metrics := s.get("/metrics")
	for _, line := range []string{`mydb_chat_connected{platform="slack"} 1`, `mydb_chat_acknowledged_age_seconds{platform="slack"} `} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if v := w.slack.Report().Violations; len(v) > 0 {
		t.Errorf("Slack's rules were broken: %v", v)
	}
}

// shows waits for the window that shows somebody a password, and gives it.
func (w *workspace) shows(who member) (secret string) {
	w.s.t.Helper()
	w.await("a window shows the password", func(ctx context.Context) error {
		return w.slack.Await(ctx, func() bool {
			v, _ := who.slack.Modal()
			shown := v.Shown()
			for n := 1; n+1 < len(shown); n++ { // the title says Password, too
				if shown[n] == "Password" {
					secret = shown[n+1]
				}
			}
			return secret != ""
		})
	})
	return secret
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
