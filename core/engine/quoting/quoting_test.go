package quoting_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine/quoting"
)

// TestShellWord lets a shell read back what was quoted.
func TestShellWord(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"", "plain", "it's", `a "b" $HOME \ *`, "-n", "two\nlines", "~/x", "ü;&|"} {
		out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", "printf '%s' "+quoting.ShellWord(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q came back as %q, %v", word, out, err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "printf '%s' "+quoting.ShellPath("~/my file"))
	cmd.Env = []string{"HOME=/home/ada"}
	if out, err := cmd.Output(); err != nil || string(out) != "/home/ada/my file" {
		t.Errorf("a path at home came back as %q, %v", out, err)
	}
}

func TestPercentAndLiteral(t *testing.T) {
	t.Parallel()
	if got := quoting.Percent("a b/c?d+e@f"); got != "a%20b%2Fc%3Fd%2Be%40f" {
		t.Error(got)
	}
	if got := quoting.Literal(`say "<hi>" \`); got != `"say \"<hi>\" \\"` || strings.Contains(got, `\u003c`) {
		t.Error(got)
	}
}
