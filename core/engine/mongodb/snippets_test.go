package mongodb

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

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
		Name: `it's "a" $HOME\ `, Host: "fd00::1", Port: 25010, Database: "a'b?c", Username: "u:s@r",
		CAPath: `/home/Ada L/#1&2/ca.crt`,
	}
)

func TestSnippetsGolden(t *testing.T) {
	for name, card := range map[string]engine.Card{"plain": plainCard, "nasty": nastyCard} {
		var b strings.Builder
		for _, s := range (Engine{}).Snippets(card) {
			b.WriteString("### " + s.Title + " [" + s.Tool + ", " + s.Language + "]\n" + s.Text + "\n\n")
		}
		b.WriteString("### " + URIFile(card) + "\n" + URI(card, `p#w"\d %@:/?`))
		enginetest.Golden(t, "snippets-"+name+".txt", b.String())
	}
}

// What is written into a URI is what a driver reads out of it.
func TestURI(t *testing.T) {
	const password = `p#w"\d %@:/?+&=`
	for name, card := range map[string]engine.Card{"plain": plainCard, "nasty": nastyCard} {
		t.Run(name, func(t *testing.T) {
			content := URI(card, password)
			got, err := connstring.Parse(strings.TrimSuffix(content, "\n"))
			if err != nil {
				t.Fatal(err)
			}
			if got.Username != card.Username || got.Password != password || got.Database != card.Database || got.AuthSource != "admin" ||
				!got.DirectConnection || !got.SSL || got.SSLCaFile != card.CAPath {
				t.Errorf("%q is read as %+v", content, got)
			}
			if PasswordOf(content) != password {
				t.Errorf("the password is read as %q", PasswordOf(content))
			}
			if p := PasswordOf(URI(card, "")); p != "" {
				t.Errorf("where there is no password, %q is found", p)
			}
		})
	}
	for _, content := range []string{"", "\n", "nonsense", "mongodb://%zz", "mongodb://host/"} {
		if p := PasswordOf(content); p != "" {
			t.Errorf("%q has the password %q", content, p)
		}
	}
}
