package core_test

import (
	"testing"

	"github.com/mydb-project/mydb/core"
)

// TestTimeline tells an owner who did what with a database, and only those who read the audit trail from where.
func TestTimeline(t *testing.T) {
	l := newLaboratory(t, nil)
	sam, eve, ada := l.person("sam", false, "genomics"), l.person("eve", false), l.person("ada", true)
	audrey, lea := l.person("audrey", false, "compliance"), l.person("lea", false, "genomics-leads")
	i := l.must(sam, core.Create{Name: "genomes", Engine: "postgres"}).Database
	l.must(sam, core.Create{Name: "others", Engine: "postgres"})
	l.ready()
	chat := core.ChatUser{Platform: core.Slack, Team: "T1", ID: "U1", Name: "ada"}
	req := core.Request{Actor: ada, Door: "slack", Address: "192.0.2.8", Chat: &chat, Reference: "m1", Command: core.Extend{On: core.On{Database: "genomes"}, Expires: "never"}}
	if _, err := l.s.Do(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	_, err := l.do(eve, core.Stop{On: core.On{Database: "genomes"}})
	l.refused(core.CodeNotFound, "", err)

	for _, who := range []core.Actor{sam, lea, audrey, ada} {
		found, list, _, err := l.s.Timeline(t.Context(), who, "genomes", core.Page{Limit: 10})
		if err != nil || found.ID != i.ID || len(list) != 3 {
			t.Fatalf("%s: %+v, %v", who.Login, list, err)
		}
		refusal, extended := list[0], list[1]
		if refusal.Actor != "eve" || refusal.Action != "stop" || refusal.Outcome != core.OutcomeRefused || refusal.Data["code"] != "not_found" {
			t.Errorf("the refusal, for %s: %+v", who.Login, refusal)
		}
		if before, _ := extended.Data["before"].(map[string]any); extended.Actor != "ada" || extended.Reference == "" || before == nil {
			t.Errorf("what ada did, for %s: %+v", who.Login, extended)
		}
		told := extended.Address != "" || extended.Chat != nil
		if told != who.Oversees() || told && (extended.Chat.ID != "U1" || extended.Data["request"] != "m1") {
			t.Errorf("from where ada did it, for %s: %+v", who.Login, extended)
		}
	}
	_, _, _, err = l.s.Timeline(t.Context(), eve, "genomes", core.Page{})
	l.refused(core.CodeNotFound, "", err)
	list, _, err := l.s.AuditTrail(t.Context(), audrey, core.AuditFilter{Door: "slack"}, core.Page{Limit: 10})
	if err != nil || len(list) != 1 || list[0].Action != "extend" {
		t.Errorf("by door: %+v, %v", list, err)
	}
}
