package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/tidwall/gjson"

	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/jobs/mail/mailtest"
)

// TestScript runs the conversations in testdata/script, each with a MyDB of its own. Besides what testscript knows, they say:
//
//	start [-ports N] [NAME=value...]     start the server, with N ports for databases, and these settings
//	stop                                 end it, as Ctrl-C does
//	api [-as WHO] [-key KEY] [-type TYPE] METHOD PATH [BODY]
//	                                     call the API as the scientist, or as WHO: nobody, a token, or login:password
//	                                     BODY is JSON, or @FILE. Prints the status and the answer
//	await OPERATION                      wait for the end of an operation, and print it
//	keep PATH NAME                       keep a part of the latest answer, such as operation.id, in a variable
//	save FILE                            write the latest answer into a file
//	page open PATH | fill FIELD VALUE | press BUTTON | wait | keep SELECTOR NAME | lacks SELECTOR
//	                                     use the portal as a browser without JavaScript does. Prints the page's text;
//	                                     wait loads it again for as long as it asks for that
//	ready                                wait until a server that was started otherwise is ready
//	count SQL                            print a number from the metadata database
//	until NUMBER SQL                     wait until a number from the metadata database is this one
//	mail NUMBER                          wait for so many mails, and print all (MYDB_SMTP_URL=$SMTP_URL has them sent)
//	gone ID                              wait until the engine has nothing of a database any more
func TestScript(t *testing.T) {
	binary(t)
	needEngine(t)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"), Setup: setup, RequireUniqueNames: true,
		Condition: condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": command((*script).start), "shut": command((*script).stop), "api": command((*script).api),
			"await": command((*script).await), "keep": command((*script).keep), "save": command((*script).save),
			"page": command((*script).page), "count": command((*script).count), "gone": command((*script).gone), "ready": command((*script).ready),
			"mail": command((*script).mail), "until": command((*script).until),
		},
	})
}

// script is one conversation.
type script struct {
	site    *site
	browser *browser
	mails   *mailtest.Server
	answer  string // the latest of the API
}

type scriptKey struct{}

func setup(env *testscript.Env) error {
	t, ok := env.T().(testing.TB)
	if !ok {
		return fmt.Errorf("the test of a script is a %T", env.T())
	}
	s := &script{site: newSite(t), mails: mailtest.Start(t, config.TLSNone)}
	env.Values[scriptKey{}] = s
	home := filepath.Join(env.WorkDir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	env.Setenv("PATH", binaryDir+string(os.PathListSeparator)+env.Getenv("PATH"))
	env.Setenv("HOME", home)
	env.Setenv("PASSWORD", password)
	env.Setenv("STATE", s.site.stateDir)
	env.Setenv("URL", s.site.url())
	env.Setenv("LISTEN", s.site.listen)
	env.Setenv("APP_URL", s.site.appURL)
	env.Setenv("OWNER_URL", s.site.ownerURL)
	env.Setenv("PORTS", s.site.ports.String())
	env.Setenv("PGCONNECT_TIMEOUT", "10")
	env.Setenv("YEAR", time.Now().UTC().Format("2006"))
	env.Setenv("SMTP_URL", smtpURL(s.mails))
	for _, name := range []string{"URL", "CA_FILE", "BASE_DN", "BIND_DN", "BIND_PASSWORD"} {
		env.Setenv("AD_"+name, os.Getenv("MYDB_TEST_AD_"+name))
	}
	env.Setenv("AD_PASSWORD", os.Getenv("MYDB_TEST_DIRECTORY_PASSWORD"))
	return nil
}

// condition knows [ad], which is true where a test may log in to an Active Directory.
func condition(word string) (bool, error) {
	if word != "ad" {
		return false, fmt.Errorf("there is no condition %q", word)
	}
	return os.Getenv("MYDB_TEST_AD_URL") != "", nil
}

// command makes a script's method a command of testscript.
func command(do func(*script, *testscript.TestScript, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, negated bool, args []string) {
		if negated {
			ts.Fatalf("this command cannot be negated")
		}
		s, ok := ts.Value(scriptKey{}).(*script)
		if !ok {
			ts.Fatalf("the script was not set up")
		}
		do(s, ts, args)
	}
}

func (s *script) start(ts *testscript.TestScript, args []string) {
	var settings []string
	if len(args) > 1 && args[0] == "-ports" {
		var n int
		_, err := fmt.Sscan(args[1], &n)
		ts.Check(err)
		settings, args = []string{"MYDB_PORT_RANGE=" + s.site.ports.limit(n).String()}, args[2:]
	}
	s.site.start(append(settings, args...)...)
	ts.Setenv("MYDB_URL", s.site.url())
	ts.Setenv("MYDB_TOKEN_FILE", s.site.tokenFile())
	var err error
	s.browser, err = newBrowser(s.site.url())
	ts.Check(err)
}

func (s *script) ready(_ *testscript.TestScript, _ []string) {
	s.site.poll(startLimit, "the server is ready", func() bool {
		status, _ := s.site.get("/readyz")
		return status == http.StatusOK
	})
}

func (s *script) stop(_ *testscript.TestScript, _ []string) { s.site.stop() }

func (s *script) api(ts *testscript.TestScript, args []string) {
	options := map[string]string{"-type": "application/json"}
	for len(args) > 1 && strings.HasPrefix(args[0], "-") {
		options[args[0]], args = args[1], args[2:]
	}
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: api [-as WHO] [-key KEY] [-type TYPE] METHOD PATH [BODY]")
	}
	body := ""
	if len(args) == 3 {
		body = args[2]
		if file, ok := strings.CutPrefix(body, "@"); ok {
			body = ts.ReadFile(file)
		}
	}
	r, err := http.NewRequest(args[0], s.site.url()+"/api/v1"+args[1], strings.NewReader(body))
	ts.Check(err)
	if body != "" {
		r.Header.Set("Content-Type", options["-type"])
	}
	if key := options["-key"]; key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	s.identify(r, options["-as"])
	status, answer, err := exchange(http.DefaultClient, r)
	ts.Check(err)
	s.tell(ts, status, answer)
}

func (s *script) identify(r *http.Request, who string) {
	login, secret, isLogin := strings.Cut(who, ":")
	switch {
	case who == "nobody":
	case isLogin:
		r.SetBasicAuth(login, secret)
	case who == "":
		r.Header.Set("Authorization", "Bearer "+s.site.token())
	default:
		r.Header.Set("Authorization", "Bearer "+who)
	}
}

// tell prints an answer. JSON is indented, so that a pattern finds a field in a line of its own.
func (s *script) tell(ts *testscript.TestScript, status int, answer string) {
	s.answer = answer
	var parsed any
	if json.Unmarshal([]byte(answer), &parsed) == nil {
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", " ")
		ts.Check(enc.Encode(parsed))
		answer = b.String()
	}
	fmt.Fprintf(ts.Stdout(), "%d %s\n%s\n", status, http.StatusText(status), answer)
}

func (s *script) await(ts *testscript.TestScript, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: await OPERATION")
	}
	s.site.poll(createLimit, "operation "+args[0]+" has ended", func() bool {
		status, answer := s.site.scientist(http.MethodGet, "/operations/"+args[0], "")
		state := gjson.Get(answer, "state").String()
		if status != http.StatusOK {
			ts.Fatalf("operation %s: %d %s", args[0], status, answer)
		}
		if state == "queued" || state == "running" {
			return false
		}
		s.tell(ts, status, answer)
		return true
	})
}

func (s *script) keep(ts *testscript.TestScript, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: keep PATH NAME")
	}
	value := gjson.Get(s.answer, args[0])
	if !value.Exists() {
		ts.Fatalf("the answer has no %s: %s", args[0], s.answer)
	}
	ts.Setenv(args[1], value.String())
}

func (s *script) save(ts *testscript.TestScript, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: save FILE")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(s.answer), 0o600))
}

func (s *script) page(ts *testscript.TestScript, args []string) {
	b := s.browser
	switch verb := strings.Join(args[:min(1, len(args))], ""); {
	case verb == "open" && len(args) == 2:
		ts.Check(b.open(args[1]))
	case verb == "fill" && len(args) == 3:
		ts.Check(b.fill(args[1], args[2]))
		return
	case verb == "press" && len(args) == 2:
		ts.Check(b.press(args[1]))
	case verb == "wait" && len(args) == 1:
		s.reload(ts)
	case verb == "keep" && len(args) == 3:
		found := b.page.Find(args[1])
		if found.Length() != 1 {
			ts.Fatalf("the page has %d of %s", found.Length(), args[1])
		}
		ts.Setenv(args[2], words(found.Text()))
		return
	case verb == "lacks" && len(args) == 2:
		if n := b.page.Find(args[1]).Length(); n != 0 {
			ts.Fatalf("the page has %d of %s", n, args[1])
		}
		return
	default:
		ts.Fatalf("usage: page open PATH | fill FIELD VALUE | press BUTTON | wait | keep SELECTOR NAME | lacks SELECTOR")
	}
	fmt.Fprint(ts.Stdout(), b.text())
}

// reload does what the page asks for, only more often than every two seconds.
func (s *script) reload(ts *testscript.TestScript) {
	if !s.browser.refreshes() {
		ts.Fatalf("the page does not ask to be loaded again:\n%s", s.browser.text())
	}
	s.site.poll(createLimit, "the page has news", func() bool {
		ts.Check(s.browser.open(s.browser.at.String()))
		return !s.browser.refreshes()
	})
}

func (s *script) count(ts *testscript.TestScript, args []string) {
	fmt.Fprintln(ts.Stdout(), s.site.query(strings.Join(args, " ")))
}

func (s *script) until(ts *testscript.TestScript, args []string) {
	var want int
	if len(args) < 2 || scan(args[0], &want) != nil {
		ts.Fatalf("usage: until NUMBER SQL")
	}
	sql := strings.Join(args[1:], " ")
	s.site.poll(startLimit, sql+" gives "+args[0], func() bool { return s.site.query(sql) == want })
}

// gone waits, because a failed create leaves its volume to a job of its own.
func (s *script) gone(ts *testscript.TestScript, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: gone ID")
	}
	for _, kind := range []string{"service", "secret", "volume"} {
		s.site.poll(time.Minute, "the "+kind+" of "+args[0]+" is gone", func() bool { return len(s.site.labelled(kind, args[0])) == 0 })
	}
}
