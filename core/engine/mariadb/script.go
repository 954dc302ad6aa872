package mariadb

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mydb-project/mydb/core/engine"
)

// script reads SQL text statement by statement, as the program mariadb does. Of that program's own commands it knows DELIMITER alone;
// others are refused: nothing of a script is ever anything but SQL.
type script struct {
	in    *bufio.Reader
	line  int // that is being read, from 1
	limit int // of a statement, in bytes
	// literal says that a backslash in a text is one: the session's mode has NO_BACKSLASH_ESCAPES.
	literal bool

	delimiter string
	text      []byte   // of the statement so far
	words     []string // of the statement, in capitals: those outside of quotes, at most maxWords
	runs      bool     // within a comment that the server runs: /*! ... */
}

// maxWords is how many words of a statement are kept: enough to know what it does.
const maxWords = 40

// statement is one of a script. line is where it ends.
type statement struct {
	text  string
	words []string
	line  int
}

// is reports whether a statement begins with these words.
func (s statement) is(words ...string) bool {
	return len(s.words) >= len(words) && strings.Join(s.words[:len(words)], " ") == strings.Join(words, " ")
}

// has reports whether a word is among the first of a statement.
func (s statement) has(word string) bool {
	for _, w := range s.words {
		if w == word {
			return true
		}
	}
	return false
}

// byteOrderMark is what some editors put before a text.
const byteOrderMark = "\xef\xbb\xbf"

func newScript(in io.Reader, limit int) *script {
	s := &script{in: bufio.NewReaderSize(in, 256<<10), line: 1, limit: limit, delimiter: ";"}
	if s.follows(byteOrderMark) {
		_, _ = s.in.Discard(len(byteOrderMark))
	}
	return s
}

// errCutOff says that a script ends in the midst of a statement.
var errCutOff = errors.New("it ends in the midst of a statement")

// next gives the next statement, without its delimiter and without comments that nobody runs. Errors: io.EOF after the last one.
func (s *script) next() (statement, error) {
	s.text, s.words, s.runs = s.text[:0], nil, false
	for {
		if s.follows(s.delimiter) {
			s.skip(len(s.delimiter))
			return statement{text: string(s.text), words: s.words, line: s.line}, nil
		}
		c, err := s.read()
		if errors.Is(err, io.EOF) {
			if len(s.text) > 0 {
				return statement{}, errCutOff
			}
			return statement{}, io.EOF
		}
		if err == nil {
			err = s.take(c)
		}
		if err == nil && len(s.text) > s.limit {
			err = &engine.RefusedError{Message: fmt.Sprintf("Line %d of the dump is in a statement of more than %d MiB, which the server does not take. Make the dump with a smaller --net-buffer-length, or the database with a larger max-allowed-packet.", s.line, s.limit>>20), Err: errors.New("statement too long")}
		}
		if errors.Is(err, io.EOF) {
			err = errCutOff
		}
		if err != nil {
			return statement{}, err
		}
	}
}

func (s *script) read() (byte, error) {
	c, err := s.in.ReadByte()
	if c == '\n' && err == nil {
		s.line++
	}
	return c, err
}

func (s *script) skip(n int) {
	for range n {
		_, _ = s.read() // which was just peeked at
	}
}

func (s *script) follows(text string) bool {
	next, _ := s.in.Peek(len(text))
	return string(next) == text
}

// take adds what begins with a byte to the statement.
func (s *script) take(c byte) error {
	switch {
	case c == '\'', c == '"':
		return s.quoted(c, !s.literal)
	case c == '`':
		return s.quoted(c, false)
	case c == '#', c == '-' && s.dashes():
		return s.comment()
	case c == '/' && s.follows("*"):
		return s.longComment()
	case c == '*' && s.runs && s.follows("/"):
		s.skip(1)
		s.text, s.runs = append(s.text, "*/"...), false
		return nil
	case c == '\\':
		return s.refuse(`\`)
	case inWord(c):
		return s.word(c)
	case c <= ' ':
		s.blank(c)
		return nil
	}
	s.text = append(s.text, c)
	return nil
}

// dashes reports whether a dash that was read begins a comment: another one and a blank follow.
func (s *script) dashes() bool {
	next, _ := s.in.Peek(2)
	return len(next) > 0 && next[0] == '-' && (len(next) == 1 || next[1] <= ' ')
}

// blank adds white space, but not before a statement begins.
func (s *script) blank(c byte) {
	if len(s.text) > 0 {
		s.text = append(s.text, c)
	}
}

// quoted reads to the closing quote. A doubled one is two texts that touch, which comes to the same.
func (s *script) quoted(quote byte, backslashes bool) error {
	s.text = append(s.text, quote)
	for len(s.text) <= s.limit {
		c, err := s.read()
		if err != nil {
			return err
		}
		s.text = append(s.text, c)
		switch {
		case c == quote:
			return nil
		case c == '\\' && backslashes:
			if c, err = s.read(); err != nil {
				return err
			}
			s.text = append(s.text, c)
		}
	}
	return nil
}

// comment reads to the end of the line, which stays.
func (s *script) comment() error {
	for {
		c, err := s.read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if c == '\n' {
			s.blank(c)
			return nil
		}
	}
}

// noVersion is the number in comments that no server runs: with it, a dump puts the program mariadb on its guard.
const noVersion = "999999"

// longComment reads a comment, or the beginning of one that the server runs.
func (s *script) longComment() error {
	ahead, _ := s.in.Peek(10)
	after, runs := bytes.CutPrefix(ahead, []byte("*!"))
	if !runs {
		after, runs = bytes.CutPrefix(ahead, []byte("*M!"))
	}
	if runs && !bytes.HasPrefix(after, []byte(noVersion)) {
		s.text = append(append(s.text, '/'), ahead[:len(ahead)-len(after)]...)
		s.skip(len(ahead) - len(after))
		s.runs = true
		return nil
	}
	s.skip(1)
	for {
		c, err := s.read()
		if err != nil {
			return err
		}
		if c == '*' && s.follows("/") {
			s.skip(1)
			s.blank(' ')
			return nil
		}
	}
}

func inWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// word reads a word. At the beginning of a statement it may be a command of the program mariadb.
func (s *script) word(c byte) error {
	first, begin := len(s.text) == 0, len(s.text)
	s.text = append(s.text, c)
	for {
		next, err := s.in.Peek(1)
		if err != nil || !inWord(next[0]) || s.follows(s.delimiter) {
			break
		}
		s.skip(1)
		s.text = append(s.text, next[0])
		if len(s.text) > s.limit {
			return nil
		}
	}
	word := strings.ToUpper(string(s.text[begin:]))
	switch {
	case first && word == "DELIMITER":
		return s.delimit()
	case first && programWords[word]:
		return s.refuse(strings.ToLower(word))
	}
	// The number of a version, as in /*!50003 CREATE */, is no word of the statement.
	if len(s.words) < maxWords && (c < '0' || c > '9') {
		s.words = append(s.words, word)
	}
	return nil
}

// programWords are commands of the program mariadb that no statement begins with.
var programWords = map[string]bool{"SYSTEM": true, "SOURCE": true, "TEE": true, "NOTEE": true, "PAGER": true, "NOPAGER": true, "CONNECT": true, "EDIT": true, "CHARSET": true}

// delimit reads what ends statements from now on.
func (s *script) delimit() error {
	line, err := s.in.ReadString('\n')
	if err != nil {
		return err
	}
	s.line++
	s.text, s.words = s.text[:0], nil
	delimiter := strings.TrimSpace(line)
	if delimiter == "" || len(delimiter) > 15 || strings.ContainsAny(delimiter, "'\"`\\ \t") {
		return &engine.RefusedError{Message: fmt.Sprintf("Line %d of the dump sets a DELIMITER that is not understood.", s.line-1), Err: errors.New("delimiter")}
	}
	s.delimiter = delimiter
	return nil
}

// refuse is the end of a script that holds a command.
func (s *script) refuse(command string) error {
	if next, _ := s.in.Peek(1); command == `\` && len(next) == 1 && next[0] > ' ' && next[0] <= '~' {
		command += string(next)
	}
	return &engine.RefusedError{
		Message: fmt.Sprintf("Line %d of the dump holds %s, a command of the program mariadb. MyDB runs SQL only: take such lines out.", s.line, command),
		Err:     errors.New("a command of mariadb"),
	}
}
