package postgres

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mydb-project/mydb/core/engine"
)

// maxStatement is how long one statement of a script may be, in bytes: it is in memory as a whole. Rows of COPY do not count.
const maxStatement = 128 << 20

// script reads SQL text statement by statement, with the rules by which psql finds a statement's end (its psqlscan.l). What psql would
// take for a command of its own is refused: nothing of a script is ever anything but SQL.
type script struct {
	in   *bufio.Reader
	line int // that is being read, from 1
	// backslashes says that these escape in all texts, and not only in E'': standard_conforming_strings is off.
	backslashes bool

	text  []byte   // of the statement so far
	words []string // of the statement, in capitals: those outside of parentheses and quotes, at most maxWords
	depth int      // of parentheses
	begun int      // of BEGIN ATOMIC and CASE in the body of a routine
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
	return len(s.words) >= len(words) && equal(s.words[:len(words)], words)
}

// has reports whether these words stand in a statement, one after the other.
func (s statement) has(words ...string) bool {
	for n := range s.words {
		if n+len(words) <= len(s.words) && equal(s.words[n:n+len(words)], words) {
			return true
		}
	}
	return false
}

func equal(a, b []string) bool {
	for n := range a {
		if a[n] != b[n] {
			return false
		}
	}
	return true
}

// byteOrderMark is what some editors put before a text.
const byteOrderMark = "\xef\xbb\xbf"

func newScript(in io.Reader) *script {
	s := &script{in: bufio.NewReaderSize(in, 256<<10), line: 1}
	if s.follows(byteOrderMark) {
		_, _ = s.in.Discard(len(byteOrderMark))
	}
	return s
}

// errCutOff says that a script ends in the midst of a statement.
var errCutOff = errors.New("it ends in the midst of a statement")

// next gives the next statement, without comments. Errors: io.EOF after the last one.
func (s *script) next() (statement, error) {
	s.text, s.words, s.depth, s.begun = s.text[:0], nil, 0, 0
	for {
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
		if err == nil && len(s.text) > maxStatement {
			err = &engine.RefusedError{Message: fmt.Sprintf("Line %d of the dump is in a statement of more than %d MiB. Make the dump without --inserts, so that rows are copied.", s.line, maxStatement>>20), Err: errors.New("statement too long")}
		}
		if err != nil {
			return statement{}, midst(err)
		}
		if c == ';' && s.depth == 0 && s.begun == 0 && len(s.text) > 0 && s.text[len(s.text)-1] == ';' {
			return statement{text: string(s.text), words: s.words, line: s.line}, nil
		}
	}
}

// midst is the error of an end within something that was begun.
func midst(err error) error {
	if errors.Is(err, io.EOF) {
		return errCutOff
	}
	return err
}

func (s *script) read() (byte, error) {
	c, err := s.in.ReadByte()
	if c == '\n' && err == nil {
		s.line++
	}
	return c, err
}

// take adds what begins with a byte to the statement.
func (s *script) take(c byte) error {
	switch {
	case c == '\'':
		return s.quoted(c, s.backslashes)
	case c == '"':
		return s.quoted(c, false)
	case c == '$':
		return s.dollar()
	case c == '-' && s.follows("-"):
		return s.comment()
	case c == '/' && s.follows("*"):
		return s.longComment()
	case c == '\\':
		return s.command()
	case startsWord(c):
		return s.word(c)
	case c == '(':
		s.depth++
	case c == ')':
		s.depth = max(0, s.depth-1)
	case c <= ' ':
		s.blank(c)
		return nil
	}
	s.text = append(s.text, c)
	return nil
}

func (s *script) follows(text string) bool {
	next, _ := s.in.Peek(len(text))
	return string(next) == text
}

// quoted reads to the closing quote. A doubled one is two texts that touch, which comes to the same.
func (s *script) quoted(quote byte, backslashes bool) error {
	s.text = append(s.text, quote)
	for {
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
		if len(s.text) > maxStatement {
			return nil
		}
	}
}

// dollar reads a text between $tag$ and $tag$, or a lone $.
func (s *script) dollar() error {
	s.text = append(s.text, '$')
	tag := s.tag()
	if tag == nil {
		return nil
	}
	for range tag {
		if _, err := s.read(); err != nil {
			return err
		}
	}
	begin := len(s.text) + len(tag)
	s.text = append(s.text, tag...)
	end := append([]byte{'$'}, tag...)
	for len(s.text) <= maxStatement {
		c, err := s.read()
		if err != nil {
			return err
		}
		s.text = append(s.text, c)
		if c == '$' && len(s.text)-begin >= len(end) && bytes.HasSuffix(s.text, end) {
			return nil
		}
	}
	return nil
}

// tag looks at what follows a $: letters, digits and _, and then a $. It is nil when that is no tag.
func (s *script) tag() []byte {
	const longest = 1 << 10
	ahead, _ := s.in.Peek(longest)
	for n, c := range ahead {
		switch {
		case c == '$':
			return bytes.Clone(ahead[:n+1])
		case n == 0 && !startsWord(c), !startsWord(c) && (c < '0' || c > '9'):
			return nil
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
		if c == '\n' || c == '\r' {
			s.blank(c)
			return nil
		}
	}
}

// blank adds white space, but not before a statement begins.
func (s *script) blank(c byte) {
	if len(s.text) > 0 {
		s.text = append(s.text, c)
	}
}

// longComment reads to the end of a comment, which may hold others.
func (s *script) longComment() error {
	if _, err := s.read(); err != nil {
		return err
	}
	for depth := 1; depth > 0; {
		c, err := s.read()
		if err != nil {
			return err
		}
		switch {
		case c == '/' && s.follows("*"):
			_, err = s.read()
			depth++
		case c == '*' && s.follows("/"):
			_, err = s.read()
			depth--
		}
		if err != nil {
			return err
		}
	}
	s.blank(' ')
	return nil
}

// command refuses what psql would do itself, but for two words by which pg_dump says that there is nothing of that kind.
func (s *script) command() error {
	line := s.line
	rest, err := s.in.ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	if bytes.HasSuffix(rest, []byte("\n")) {
		s.line++
	}
	name := string(rest)
	if end := strings.IndexFunc(name, func(r rune) bool { return r <= ' ' }); end >= 0 {
		name = name[:end]
	}
	if len(s.text) == 0 && (name == "restrict" || name == "unrestrict") {
		return nil
	}
	if name == "connect" || name == "c" {
		return &engine.RefusedError{
			Message: fmt.Sprintf(`Line %d of the dump changes the database (\%s): it was made with --create, with pg_dumpall, or of several databases. Make it with pg_dump of one database, without --create.`, line, name),
			Err:     errors.New("a command of psql"),
		}
	}
	return &engine.RefusedError{
		Message: fmt.Sprintf(`Line %d of the dump holds \%s, a command of the program psql. MyDB runs SQL only: take such lines out.`, line, firstLetters(name)),
		Err:     errors.New("a command of psql"),
	}
}

// firstLetters is as much of a word as may be repeated.
func firstLetters(word string) string {
	if end := strings.IndexFunc(word, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' }); end > 0 {
		word = word[:end]
	}
	return word[:min(len(word), 20)]
}

func startsWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

// word reads a word, and a text that it begins, such as E'...'.
func (s *script) word(c byte) error {
	begin := len(s.text)
	s.text = append(s.text, c)
	for {
		next, err := s.in.Peek(1)
		if err != nil || !startsWord(next[0]) && (next[0] < '0' || next[0] > '9') && next[0] != '$' {
			break
		}
		_, _ = s.read() // which was just peeked at
		s.text = append(s.text, next[0])
	}
	word := strings.ToUpper(string(s.text[begin:]))
	switch {
	case s.follows("'") && (word == "E" || word == "B" || word == "X"):
		_, _ = s.read()
		return s.quoted('\'', word == "E")
	case word == "U" && (s.follows("&'") || s.follows(`&"`)):
		_, _ = s.read()
		quote, _ := s.read()
		s.text = append(s.text, '&')
		return s.quoted(quote, false)
	}
	s.note(word)
	return nil
}

// note keeps a word, and whether the body of a routine begins or ends with it.
func (s *script) note(word string) {
	if s.depth > 0 {
		return
	}
	if len(s.words) < maxWords {
		s.words = append(s.words, word)
	}
	of := statement{words: s.words}
	if !of.is("CREATE", "FUNCTION") && !of.is("CREATE", "PROCEDURE") && !of.is("CREATE", "OR", "REPLACE", "FUNCTION") && !of.is("CREATE", "OR", "REPLACE", "PROCEDURE") {
		return
	}
	switch {
	case word == "BEGIN", word == "CASE" && s.begun > 0:
		s.begun++
	case word == "END" && s.begun > 0:
		s.begun--
	}
}

// rows is what follows a COPY, up to the line \. that ends it.
func (s *script) rows() (*copiedRows, error) {
	rest, err := s.in.ReadString('\n')
	if err != nil {
		return nil, midst(err)
	}
	s.line++
	if strings.TrimSpace(rest) != "" {
		return nil, fmt.Errorf("line %d goes on after the COPY", s.line-1)
	}
	return &copiedRows{script: s}, nil
}

// copiedRows reads rows. It ends before the line \. and fails when that does not come.
type copiedRows struct {
	script *script
	within bool // the line that is read has begun
	left   []byte
	err    error
}

// Read implements io.Reader.
func (c *copiedRows) Read(p []byte) (int, error) {
	for len(c.left) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		c.fill()
	}
	n := copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}

// fill reads one line, or as much of it as fits.
func (c *copiedRows) fill() {
	line, err := c.script.in.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		c.err = midst(err)
		return
	}
	ends := line[len(line)-1] == '\n'
	if ends {
		c.script.line++
	}
	if !c.within && ends && string(bytes.TrimRight(line, "\r\n")) == `\.` {
		c.err = io.EOF
		return
	}
	c.within = !ends
	c.left = line
}
