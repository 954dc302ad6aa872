package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// chapter is one step of a story, in the words of each door. NAME stands for the database.
type chapter struct {
	chat string // in Slack, and without "with" in Discord
	page string // what is done on the pages, parts separated by |
	api  string // method, path and body
	told string // of the operations, shares, approvals and copies, all that has come of it
}

// story is a database's life. Every door tells all of it.
var story = []chapter{
	{
		chat: "create postgres NAME", page: "open /databases/new|fill name NAME|press Create database", api: `POST /databases {"engine":"postgres","name":"NAME"}`,
		told: "ready; create done",
	}, {
		chat: "status NAME", page: "open /databases/NAME", api: "GET /databases/NAME", told: "ready; create done",
	}, {
		chat: "share NAME with admin read", page: "open /databases/NAME|fill with admin|press Share", api: `POST /databases/NAME/share {"with":"admin","right":"read"}`,
		told: "ready; create done, share done; admin reads",
	}, {
		chat: "backup NAME", page: "open /databases/NAME|press Back up now", api: "POST /databases/NAME/backups",
		told: "ready; backup done, create done, share done; admin reads",
	}, {
		chat: "restore NAME", page: "open /databases/NAME|press Restore", api: "POST /databases/NAME/restore {}",
		told: "ready; backup done, create done, share done; admin reads; NAME-restored is ready",
	}, {
		chat: "delete NAME", page: "open /databases/NAME|press Ask for the deletion of NAME", api: "DELETE /databases/NAME",
		told: "ready; backup done, create done, share done; admin reads; NAME-restored is ready; delete pending by nobody",
	}, {
		chat: "approve NAME", page: "approve NAME", api: "approve NAME", // each door has its own way
		told: "trashed; backup done, create done, delete done, share done; admin reads; NAME-restored is ready; delete approved by admin",
	}, {
		chat: "undelete NAME", page: "open /databases/NAME|press Bring it back", api: "POST /databases/NAME/undelete",
		told: "ready; backup done, create done, delete done, share done, undelete done; admin reads; NAME-restored is ready; delete approved by admin",
	},
}

// cast is everybody and everything that the story needs, whatever the door.
type cast struct {
	*workspace
	scientistAt, adminAt *browser
	adminToken           string
}

// doors do a chapter for the database of their name.
var doors = map[string]func(*cast, chapter, string){
	"viaslack": (*cast).bySlack, "viadiscord": (*cast).byDiscord, "viapage": (*cast).byPage, "viaapi": (*cast).byAPI,
}

// TestSameStoryThroughFourDoors tells one story through Slack, Discord, the pages and the API. After each chapter, the metadata
// database knows the same of all four.
func TestSameStoryThroughFourDoors(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ports = takeManyPorts()
	c := &cast{workspace: newWorkspace(s)}
	c.start()
	c.scientistAt, c.adminAt = s.loggedIn("scientist"), s.loggedIn("admin")
	c.links(c.scientist, c.scientistAt)
	c.links(c.admin, c.adminAt)
	c.adminToken = s.adminToken()
	for _, step := range story {
		for name, door := range doors {
			door(c, step, name)
		}
		for name := range doors {
			s.settles(name, strings.ReplaceAll(step.told, "NAME", name), step.chat)
		}
	}
	c.reads(c.scientist, c.lab.slack, "viaslack is ready after")
	c.notices(c.scientist, c.lab.discord, "viadiscord is ready after")
	for name := range doors {
		door := strings.TrimPrefix(name, "via")
		if door == "page" {
			door = "portal"
		}
		if n := s.query("select count(distinct action) from audit where door = $1 and subject = $2 and action in ('create', 'share', 'backup', 'delete', 'undelete')", door, name); n != 5 {
			t.Errorf("the audit trail knows %d of 5 acts of %s as done through %s", n, name, door)
		}
	}
	c.fourEyes()
	s.stop()
}

// settles waits until nothing is under way for a database, and compares what has come of it.
func (s *site) settles(name, want, after string) {
	s.t.Helper()
	var got string
	s.poll(2*createLimit, name+" is at rest", func() bool {
		if s.query("select count(*) from inbox where answered_at is null") > 0 {
			return false // Slack and Discord have handed it over, and nobody has looked at it yet
		}
		got = s.read(`select concat_ws('; ',
				(select 'busy with ' || min(kind) from operations o join instances b on b.id = o.instance_id
					where b.name in (i.name, i.name || '-restored') and o.kind <> 'verify' and o.state in ('queued', 'running')),
				i.state,
				(select string_agg(kind || ' ' || state, ', ' order by kind) from operations where instance_id = i.id and kind <> 'verify'),
				(select string_agg(p.login || case when a.writes then ' writes' else ' reads' end, ', ') from accounts a join people p on p.id = a.person_id
					where a.instance_id = i.id and a.made_at is not null and a.revoked_at is null),
				(select r.name || ' is ' || r.state from instances r where r.restored_from in (select id from backups where instance_id = i.id)),
				(select string_agg(a.action || ' ' || a.state || ' by ' || coalesce(p.login, 'nobody'), ', ') from approvals a left join people p on p.id = a.decided_by
					where a.instance_id = i.id))
			from instances i where i.name = $1`, name)
		undecided := strings.Contains(want, "approved") && !strings.Contains(got, "approved") // a click is acknowledged before it counts
		return !strings.HasPrefix(got, "busy") && !undecided
	})
	if got != want {
		s.t.Fatalf("after %q, of %s is known\n%s\nnot\n%s", after, name, got, want)
	}
}

func (c *cast) bySlack(step chapter, name string) {
	if strings.HasPrefix(step.chat, "approve") {
		m := c.reads(c.admin, c.office.slack, "delete "+name)
		c.arrives("the click", c.admin.slack.Click(m, "approve"))
		return
	}
	c.types(c.scientist, strings.ReplaceAll(step.chat, "NAME", name))
}

func (c *cast) byDiscord(step chapter, name string) {
	if strings.HasPrefix(step.chat, "approve") {
		m := c.notices(c.admin, c.office.discord, "delete "+name)
		c.answered(c.admin.discord.Click(m, m.Button("Approve").CustomID))
		return
	}
	line := strings.NewReplacer("NAME", name, " with ", " ").Replace(step.chat)
	c.hears(c.slashes(c.scientist, "/mydb "+line), "")
}

func (c *cast) byPage(step chapter, name string) {
	c.s.t.Helper()
	b := c.scientistAt
	for part := range strings.SplitSeq(strings.ReplaceAll(step.page, "NAME", name), "|") {
		verb, rest, _ := strings.Cut(part, " ")
		var err error
		switch verb {
		case "open":
			err = b.open(rest)
		case "fill":
			field, value, _ := strings.Cut(rest, " ")
			err = b.fill(field, value)
		case "press":
			err = b.press(rest)
		case "approve":
			b = c.adminAt
			err = errors.Join(b.open("/approvals"), b.pressIn("#approval-"+c.approval(name), "Approve"))
		}
		if err != nil || b.status != http.StatusOK {
			c.s.t.Fatalf("%s: %v\n%s", part, err, b.text())
		}
	}
}

func (c *cast) byAPI(step chapter, name string) {
	c.s.t.Helper()
	if strings.HasPrefix(step.api, "approve") {
		if status, body := c.s.send(http.MethodPost, "/api/v1/approvals/"+c.approval(name)+"/approve", c.adminToken, ""); status != http.StatusAccepted {
			c.s.t.Fatalf("%d %s", status, body)
		}
		return
	}
	call := strings.SplitN(strings.ReplaceAll(step.api, "NAME", name)+" ", " ", 3)
	if status, body := c.s.scientist(call[0], call[1], strings.TrimSpace(call[2])); status >= http.StatusBadRequest {
		c.s.t.Fatalf("%s: %d %s", step.api, status, body)
	}
}

// approval is the id of what waits for a decision about a database.
func (c *cast) approval(name string) string {
	c.s.t.Helper()
	return c.s.read("select a.id from approvals a join instances i on i.id = a.instance_id where i.name = $1 and a.state = 'pending'", name)
}

// fourEyes lets an administrator ask for something in Slack, and say yes to it in Discord: they are one person, and two are needed.
func (c *cast) fourEyes() {
	t := c.s.t
	t.Helper()
	c.types(c.admin, "delete viaapi")
	c.reads(c.admin, c.lab.slack, "viaapi waits for the approval")
	m := c.notices(c.admin, c.office.discord, "delete viaapi", "admin asks for it")
	c.hears(c.answered(c.admin.discord.Click(m, m.Button("Approve").CustomID)), "asked for this yourself")
	if c.approval("viaapi") == "" || c.s.database("viaapi").State != "ready" {
		t.Error("an administrator has approved what they asked for")
	}
}

// adminToken makes a token of the administrator's.
func (s *site) adminToken() string {
	s.t.Helper()
	r, err := http.NewRequest(http.MethodPost, s.url()+"/api/v1/tokens", strings.NewReader(`{"name":"approvals","scope":"admin"}`))
	if err != nil {
		s.t.Fatal(err)
	}
	r.SetBasicAuth("admin", password)
	r.Header.Set("Content-Type", "application/json")
	status, body, err := exchange(http.DefaultClient, r)
	if err != nil || status >= http.StatusBadRequest {
		s.t.Fatal(fmt.Errorf("make a token: %d %s %w", status, body, err))
	}
	return gjson.Get(body, "token").String()
}
