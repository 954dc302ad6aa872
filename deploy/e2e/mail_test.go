package e2e

import (
	"fmt"
	"io"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mydb-project/mydb/jobs/mail/mailtest"
)

// mail waits until the mail server of the script has taken so many mails, and prints them.
func (s *script) mail(ts *testscript.TestScript, args []string) {
	var want int
	if len(args) != 1 || scan(args[0], &want) != nil {
		ts.Fatalf("usage: mail NUMBER")
	}
	s.site.poll(startLimit, "the mail arrives", func() bool { return len(s.mails.Received()) >= want })
	for _, m := range s.mails.Received() {
		body, err := io.ReadAll(m.Body)
		ts.Check(err)
		fmt.Fprintf(ts.Stdout(), "To: %s\nSubject: %s\n\n%s\n", m.Header.Get("To"), m.Header.Get("Subject"), strings.ReplaceAll(string(body), "=\r\n", ""))
	}
}

func scan(text string, n *int) error {
	_, err := fmt.Sscan(text, n)
	return err
}

// smtpURL is the address of a mail server, as it is configured.
func smtpURL(m *mailtest.Server) string {
	return fmt.Sprintf("smtp://%s:%s@%s:%d?tls=%s", m.Username, m.Password, m.Host, m.Port, m.TLS)
}
