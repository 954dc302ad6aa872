package discord_test

import (
	"strings"
	"testing"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/discord/discordfake"
)

// opens waits for the form that an interaction opens.
func (r *rig) opens(i *discordfake.Interaction) *discordfake.Modal {
	r.Helper()
	m, err := i.WaitModal(r.Patient())
	if err != nil {
		r.Fatalf("%v\n%s", err, r.Log.String())
	}
	return m
}

func TestCreateByForm(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	m := r.opens(r.slash(ada, r.lab, "create", nil))
	if len(m.Inputs) != 5 || m.Title != "New database" {
		t.Fatalf("the form is %+v", m)
	}
	if engine := m.Inputs[0]; engine.CustomID != "engine" || engine.Placeholder != "postgres, mariadb, mongodb" {
		t.Errorf("what can be chosen is not said: %+v", engine)
	}
	wrong := r.answer(ada.Submit(m, map[string]string{"engine": "oracle", "name": "1genomes", "phi": "maybe", "description": "variants"}),
		"Engine: There is no engine", "Choose one of: postgres", "Name: ", "Phi: phi is yes or no")
	if !wrong.Ephemeral() {
		t.Error("mistakes are shown to all")
	}
	m = r.opens(r.press(ada, wrong, "Fill it in again"))
	filled := map[string]string{}
	for _, in := range m.Inputs {
		filled[in.CustomID] = in.Value
	}
	if filled["engine"] != "oracle" || filled["description"] != "variants" || filled["name"] != "1genomes" {
		t.Errorf("what was filled in is lost: %v", filled)
	}
	i := ada.Submit(m, map[string]string{"engine": "pg", "name": "genomes", "phi": "no"})
	r.sees(ada, r.lab, "Creating genomes is about to begin")
	if _, err := i.WaitAck(r.Patient()); err != nil {
		t.Fatal(err)
	}
	r.until("the mistakes are gone", func() bool {
		seen := ada.Sees(r.lab)
		return strings.Contains(seen[0].Text(), "Accepted")
	})
	if about := chattest.One[string](r.MyDB, "select description from instances"); about != "variants" {
		t.Errorf("description %q", about)
	}
}

func TestMistakesInForms(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	form := func() *discordfake.Modal { return r.opens(r.slash(ada, r.lab, "create", nil)) }
	filled := map[string]string{"engine": "postgres", "name": "genomes"}
	with := func(name, text string) map[string]string {
		out := map[string]string{name: text}
		for k, v := range filled {
			if k != name {
				out[k] = v
			}
		}
		return out
	}
	r.answer(ada.Submit(form(), with("description", strings.Repeat("x", 3000))), "longer than 2000 characters")
	secret := r.answer(ada.Submit(form(), with("description", "password: hunter2")), "Passwords are never taken in chat")
	for _, in := range r.opens(r.press(ada, secret, "Fill it in again")).Inputs {
		if in.Value == "password: hunter2" {
			t.Error("the password was kept")
		}
	}
	r.answer(ada.Submit(form(), with("name", "a\u202eb")), "Name: ")
	// What only the database knows is told a moment later, in the same place.
	r.created(ada, "genomes")
	r.answer(ada.Submit(form(), filled), "genomes")
	r.sees(ada, r.lab, "taken")
	// The adapter was started anew since the form was filled in.
	again := r.answer(ada.Submit(form(), with("name", "x")), "Name: ")
	r.fake.Tamper(func(i map[string]any) { i["data"].(map[string]any)["custom_id"] = "again:FORGOTTEN" })
	r.answer(r.press(ada, again, "Fill it in again"), "has forgotten what was filled in")
	if n := chattest.One[int](r.MyDB, "select count(*) from instances"); n != 1 {
		t.Errorf("%d databases", n)
	}
}

func TestLongAndOddWords(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	r.answer(r.slash(ada, r.lab, "create", map[string]any{"engine": "postgres", "name": "genomes", "description": strings.Repeat("ä", 3000)}), "longer than 2000 characters")
	r.answer(r.slash(ada, r.lab, "status", map[string]any{"name": "**b** @everyone `x` [a](https://evil.example.org) <@1> <#2> ```y```"}), "You have no database")
	i := r.slash(ada, r.lab, "create", map[string]any{
		"engine": "postgres", "name": "cohort", "description": "“quoted” \\ and — 'odd' \"words\" key=value **b** @here ```x``` ||s||",
	})
	r.answer(i, "Accepted")
	if about := chattest.One[string](r.MyDB, "select description from instances"); about != "“quoted” \\ and — 'odd' \"words\" key=value **b** @here ```x``` ||s||" {
		t.Errorf("the description is %q", about)
	}
	m := r.answer(r.slash(ada, r.lab, "status", map[string]any{"name": "cohort"}), `\*\*b\*\*`, `\|\|s\|\|`)
	for _, loud := range []string{"@here", "@everyone"} {
		if strings.Contains(m.Text(), loud) {
			t.Errorf("%s is in\n%s", loud, m.Text())
		}
	}
	for _, seen := range ada.Sees(r.lab) {
		if len(seen.Pinged) > 0 {
			t.Errorf("%v were pinged by\n%s", seen.Pinged, seen.Text())
		}
	}
	if v := r.fake.Violations(); len(v) > 0 {
		t.Error(v)
	}
}
