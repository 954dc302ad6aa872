package discord_test

import (
	"strings"
	"testing"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/discord/discordfake"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

func TestLinkByCode(t *testing.T) {
	r := everything(t)
	eve := r.fake.AddUser("eve")
	r.answer(r.slash(eve, r.lab, "list", nil), "write: link \\<code\\>")
	ada := coretest.Actor(t, r.Service, "ada", false)
	ada.Scope = core.ScopeAdmin // logged in to the portal
	code, err := r.Service.MakeLinkCode(t.Context(), core.Request{Actor: ada, Door: core.DoorPortal})
	if err != nil {
		t.Fatal(err)
	}
	r.answer(r.slash(eve, r.lab, "link", map[string]any{"code": "ABCD-2345"}), "wrong, used or older")
	offer := r.answer(r.slash(eve, r.lab, "link", map[string]any{"code": code.Code}), "You are eve on Discord", "written by ada")
	r.answer(r.press(eve, offer, "Yes, that is me"), "done as ada")
	if now := eve.Sees(r.lab); len(now[len(now)-1].Clickable()) != 0 {
		t.Error("the question can still be answered")
	}
	r.answer(r.slash(eve, r.lab, "whoami", nil), "You are ada")
	if saw := r.fake.Saw(code.Code); len(saw) != 0 {
		t.Errorf("the code was repeated: %v", saw)
	}
	r.answer(r.slash(eve, r.lab, "unlink", nil), "not take what you write here as yours")
	r.answer(r.slash(eve, r.lab, "whoami", nil), "does not know who you are")
}

func TestWhomMyDBDoesNotWorkFor(t *testing.T) {
	r := everything(t)
	robot := r.fake.AddUserWith(discordfake.UserSpec{Name: "robot", Bot: true})
	r.answer(r.slash(robot, r.lab, "list", nil), "does not work for bots")
	if _, err := robot.Says(r.lab, "<@"+r.fake.AppID+"> list"); err != nil {
		t.Fatal(err)
	}
	ada := r.linked("ada", false)
	r.fake.Tamper(func(i map[string]any) { i["guild_id"] = "4711" })
	r.answer(r.slash(ada, r.lab, "list", nil), "works in another server only")
	r.fake.Tamper(func(i map[string]any) { i["application_id"] = "4711" })
	ignored := r.slash(ada, r.lab, "list", nil)
	r.answer(r.slash(ada, r.lab, "list", nil), "no databases yet")
	if ignored.Acked() != 0 {
		t.Error("what is for another application was answered")
	}
	// Who has left the server can still write to the bot, but it works for members only, from a quarter of an hour later at most.
	ada.Leave()
	r.Exec("update chat_identities set checked_at = now() - interval '16 minutes'")
	if _, err := ada.Says(ada.DM(), "whoami"); err != nil {
		t.Fatal(err)
	}
	r.Eventually("ada is refused", func() bool {
		return chattest.One[int](r.MyDB, "select count(*) from inbox where answer->>'text' like '%of its own organisation only%'") == 1
	})
	if n := chattest.One[int](r.MyDB, "select count(*) from inbox"); n != 2 {
		t.Errorf("%d events were taken", n)
	}
}

func TestOldInteractionIsLeftAlone(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	// It was made five seconds before it comes.
	r.fake.Tamper(func(i map[string]any) { r.age(i) })
	late := r.slash(ada, r.lab, "create", map[string]any{"engine": "postgres", "name": "late"})
	r.answer(r.slash(ada, r.lab, "create", map[string]any{"engine": "postgres", "name": "genomes"}), "Accepted")
	if late.Acked() != 0 || chattest.One[int](r.MyDB, "select count(*) from instances") != 1 {
		t.Error("an interaction that Discord has given up was carried out")
	}
	if !strings.Contains(r.Log.String(), "came too late") {
		t.Error("nobody was told")
	}
}
