package console

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWithPassword(t *testing.T) {
	const prefix, line = "db1:25010:*:ada:", "db1:25010:*:ada:new\n"
	for _, c := range []struct{ name, old, want string }{
		{"new file", "", line},
		{"first, because of wildcards", "# mine\n*:*:*:ada:x\n", line + "# mine\n*:*:*:ada:x\n"},
		{"in its place", "a:1:*:x:y\ndb1:25010:*:ada:old\nb:2:*:x:y\n", "a:1:*:x:y\n" + line + "b:2:*:x:y\n"},
		{"once", "db1:25010:*:ada:old\n#\ndb1:25010:*:ada:older\n", line + "#\n"},
		{"others of the server stay", "db1:25010:*:adam:x\ndb1:2501:*:ada:x\n", line + "db1:25010:*:adam:x\ndb1:2501:*:ada:x\n"},
		{"last line without an end", "a:1:*:x:y", line + "a:1:*:x:y\n"},
		{"blanks in other passwords stay", "a:1:*:x: y \n", line + "a:1:*:x: y \n"},
	} {
		if got := withPassword(c.old, prefix, line); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if has := hasPassword(c.old, prefix); has != (c.name == "in its place" || c.name == "once") {
			t.Errorf("%s: hasPassword is %v", c.name, has)
		}
	}
}

func TestWithSection(t *testing.T) {
	const entry = "[genomes]\nhost=new\n"
	for _, c := range []struct{ name, old, want string }{
		{"new file", "", entry},
		{"at the end", "[a]\nhost=x\n", "[a]\nhost=x\n\n" + entry},
		{"at the end after a gap", "[a]\nhost=x\n\n", "[a]\nhost=x\n\n" + entry},
		{"in its place", "# all\n[a]\nhost=x\n\n[genomes]\nhost=old\nport=1\n\n# about b\n[b]\nhost=y\n", "# all\n[a]\nhost=x\n\n" + entry + "\n# about b\n[b]\nhost=y\n"},
		{"last", "[a]\nhost=x\n[genomes]\nhost=old", "[a]\nhost=x\n" + entry},
		{"once", "[genomes]\nhost=old\n[a]\nhost=x\n[genomes]\nhost=older\n", entry + "[a]\nhost=x\n"},
		{"longer names are others", "[genomes2]\nhost=x\n", "[genomes2]\nhost=x\n\n" + entry},
	} {
		got := withSection(c.old, "genomes", entry)
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if again := withSection(got, "genomes", entry); again != got {
			t.Errorf("%s: a second time gives %q", c.name, again)
		}
	}
}

func TestReplaceFileFollowsLinksAndLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := os.WriteFile(real, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(link, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link became %v, %v", info.Mode(), err)
	}
	if b, err := os.ReadFile(real); err != nil || string(b) != "new" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	if err := replaceFile(dir, nil, 0o600); err == nil {
		t.Error("a directory was replaced")
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if left, _ := filepath.Glob(filepath.Join(d, ".*")); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
}
