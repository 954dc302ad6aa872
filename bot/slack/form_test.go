package slack_test

import (
	"strings"
	"testing"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// inputs are the names of what a form asks.
func inputs(v slackfake.View) string {
	var names []string
	for _, in := range v.Inputs() {
		names = append(names, in.ActionID)
	}
	return strings.Join(names, " ")
}

func TestCreateByForm(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	for _, bare := range []string{"", "create", " Create "} {
		r.types(ada, r.lab, bare)
		v := r.modal(ada, "New database")
		for _, asked := range []string{"engine", "version", "name", "size", "backup", "expires", "phi", "description"} {
			if !strings.Contains(" "+inputs(v)+" ", " "+asked+" ") {
				t.Errorf("/mydb %s: the form does not ask for the %s: %s", bare, asked, inputs(v))
			}
		}
		ada.Dismiss(v)
	}
	r.types(ada, r.lab, "create")
	v := r.modal(ada, "New database")
	if res, err := ada.Submit(v, map[string]string{"engine": "postgres"}).Wait(r.Patient()); err == nil {
		t.Errorf("a form without a name was sent: %+v", res)
	}
	r.submits(ada, v, map[string]string{"engine": "postgres", "name": "1genomes", "description": "password: hunter2"})
	r.until("the mistakes are shown", func() bool { now, _ := ada.Modal(); return len(now.Errors) == 2 })
	v, _ = ada.Modal()
	if !strings.Contains(v.Errors["description"], "Passwords are never taken in chat") || v.Errors["name"] == "" {
		t.Errorf("the mistakes are %v", v.Errors)
	}
	r.submits(ada, v, map[string]string{"name": "genomes", "description": "variants of *all* <!here>", "backup": "weekly", "phi": "no", "expires": "30d"})
	r.sees(ada, r.lab, "Creating genomes")
	if _, open := ada.Modal(); open {
		t.Error("the form is still open")
	}
	if about := chattest.One[string](r.MyDB, "select description from instances"); about != "variants of *all* <!here>" {
		t.Errorf("the description is %q", about)
	}
	// What only the database knows is told a moment later, where the command was given.
	r.types(ada, r.lab, "create")
	v = r.modal(ada, "New database")
	r.submits(ada, v, map[string]string{"engine": "postgres", "name": "genomes"})
	if m := r.sees(ada, r.lab, "taken"); m.EphemeralTo != ada.ID() {
		t.Error("all can see it")
	}
	r.kept()
}

func TestRestoreByForm(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.types(ada, r.lab, "restore")
	v := r.modal(ada, "Restore a backup")
	if asked := inputs(v); !strings.HasPrefix(asked, "name ") || !strings.Contains(asked, "from") || !strings.Contains(asked, "as") {
		t.Errorf("the form asks for %s", asked)
	}
	r.submits(ada, v, map[string]string{"name": "genomes"})
	r.sees(ada, r.lab, "You have no database")
	r.kept()
}

// TestFormsThatDoNotOpen is Slack's refusing a trigger, which lives for three seconds and opens one form.
func TestFormsThatDoNotOpen(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.fake.Next("views.open", slackfake.Fault{Error: "expired_trigger_id"})
	r.answered(ada, r.lab, "create", "did not open the form in time")
	r.fake.DuplicateNext(1)
	r.types(ada, r.lab, "create")
	v := r.modal(ada, "New database")
	r.fake.DuplicateNext(1)
	r.submits(ada, v, map[string]string{"engine": "postgres", "name": "genomes"})
	r.sees(ada, r.lab, "Creating genomes")
	r.answered(ada, r.lab, "whoami", "You are ada")
	if n := chattest.One[int](r.MyDB, "select count(*) from instances"); n != 1 {
		t.Errorf("%d databases", n)
	}
	// Another process gets the same command.
	r.fake.Next("views.open", slackfake.Fault{Error: "exchanged_trigger_id"})
	before := len(ada.Sees(r.lab))
	r.types(ada, r.lab, "create")
	if now := ada.Sees(r.lab); len(now) != before {
		t.Errorf("it was answered with %s", now[len(now)-1].Shown())
	}
	r.kept()
}

func TestLongAndOddWords(t *testing.T) {
	r := everything(t)
	ada := r.person("ada", false)
	r.answered(ada, r.lab, `create postgres genomes "`+strings.Repeat("ä", 3000)+`"`, "longer than 2000 characters")
	r.answered(ada, r.lab, "status "+strings.Repeat("x", 3000), "longer than 2000 characters")
	r.answered(ada, r.lab, strings.Repeat("frobnicate ", 150), "help")
	r.answered(ada, r.lab, "status **b*<!channel>_i_`x`", "You have no database")
	const odd = "“quoted” — *b* _i_ ~s~ `x` <!channel> <!here> <https://evil.example.org|bank> ```y``` &amp; 数据库 \u0301"
	r.types(ada, r.lab, "create")
	r.submits(ada, r.modal(ada, "New database"), map[string]string{"engine": "postgres", "name": "cohort", "description": odd})
	r.sees(ada, r.lab, "Creating cohort")
	if about := chattest.One[string](r.MyDB, "select description from instances"); about != odd {
		t.Errorf("the description is %q", about)
	}
	m := r.answered(ada, r.lab, "status cohort", "<!channel>", "*b* _i_ ~s~ `x`")
	for _, call := range r.fake.Calls("chat.postMessage", "chat.update", "response_url", "ack") {
		for _, loud := range []string{"<!channel>", "<!here>"} {
			if strings.Contains(call.Args["text"], loud) || strings.Contains(string(call.Body), `"type":"mrkdwn"`) {
				t.Errorf("Slack could read %s in %s %s", loud, call.Method, call.Body)
			}
		}
	}
	if strings.Contains(m.Text, "<!channel>") {
		t.Errorf("the text for notifications is %q", m.Text)
	}
	r.kept()
}
