package mariadb

import (
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
)

var (
	plainCard = engine.Card{
		Name: "yeast-screen", Host: "db1.lab.example", Port: 25010, Database: "yeast_screen", Username: "ada",
		CAPath: "~/.mydb/ca.crt",
	}
	// No checked name looks like this one; quoting must not depend on that.
	nastyCard = engine.Card{
		Name: `it's "a" $HOME\ `, Host: "fd00::1", Port: 25010, Database: "a/b?c", Username: "u:s@r",
		CAPath: `/home/Ada L/#1&2/ca.crt`,
	}
)

func TestSnippetsGolden(t *testing.T) {
	for name, card := range map[string]engine.Card{"plain": plainCard, "nasty": nastyCard} {
		var b strings.Builder
		for _, s := range (Engine{}).Snippets(card) {
			b.WriteString("### " + s.Title + " [" + s.Tool + ", " + s.Language + "]\n" + s.Text + "\n\n")
		}
		b.WriteString("### option file\n")
		for _, g := range Options(card, `p#w"\d`) {
			b.WriteString(g.Text)
		}
		enginetest.Golden(t, "snippets-"+name+".txt", b.String())
	}
}

// A line break in a value would be the start of another setting.
func TestOptionsStayOneSettingPerLine(t *testing.T) {
	card := plainCard
	card.Database = "lab\nskip-ssl"
	if g := Options(card, "")[1]; strings.Count(g.Text, "\n") != 2 {
		t.Errorf("the group is\n%s", g.Text)
	}
}
