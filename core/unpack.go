package core

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/mydb-project/mydb/core/engine"
)

// headLength is by how many bytes the content of a file is recognised.
const headLength = 16 << 10

// understood is what people may upload.
const understood = "MyDB understands what pg_dump writes (SQL, --format=custom or tar), what mariadb-dump and mysqldump write, and mongodump --archive; each as it is, or packed with gzip, zstd or bzip2."

// packings are the ways in which a file may be packed, by its first bytes. Those without a reader are known, and not understood.
var packings = []struct {
	name, magic string
	open        func(io.Reader) (io.Reader, error)
}{
	{"gzip", "\x1f\x8b", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"zstd", "\x28\xb5\x2f\xfd", func(r io.Reader) (io.Reader, error) {
		// A wider window, which some programs make with --long, would take that much memory.
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderLowmem(true))
	}},
	{"bzip2", "BZh", func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
	{"xz", "\xfd7zXZ\x00", nil},
	{"zip", "PK\x03\x04", nil},
	{"7z", "7z\xbc\xaf\x27\x1c", nil},
}

// unpack finds out how a file is packed and gives its content.
func unpack(in io.Reader) (content io.Reader, packing string, err error) {
	head := bufio.NewReaderSize(in, 256<<10)
	first, err := head.Peek(6)
	if len(first) == 0 {
		if err == nil || errors.Is(err, io.EOF) {
			err = invalid("upload", "The file is empty.")
		}
		return nil, "", err
	}
	for _, p := range packings {
		if !bytes.HasPrefix(first, []byte(p.magic)) {
			continue
		}
		if p.open == nil {
			return nil, "", invalid("upload", "The file is packed with %s, which MyDB does not unpack. Unpack it, or pack it with gzip or zstd.", p.name)
		}
		if content, err = p.open(head); err != nil {
			return nil, "", unpackProblem(p.name, err)
		}
		return content, p.name, nil
	}
	return head, "", nil
}

// unpackProblem says that a file breaks off or is damaged.
func unpackProblem(packing string, err error) error {
	var ours *Error
	if packing == "" || errors.As(err, &ours) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &Error{Code: CodeInvalid, Field: "upload", Cause: err, Message: fmt.Sprintf("The file breaks off: what is packed in it with %s does not come to its end. Upload all of it.", packing)}
	}
	return &Error{Code: CodeInvalid, Field: "upload", Cause: err, Message: fmt.Sprintf("The file cannot be unpacked with %s: it is damaged. Make it again, or upload it again.", packing)}
}

// recognise finds out of which engine a dump is and in which format, by its content alone, and gives all of the content.
func (s *Service) recognise(u *Upload, in io.Reader) (io.Reader, error) {
	all := bufio.NewReaderSize(in, 256<<10)
	head, err := all.Peek(headLength)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, unpackProblem(u.Packing, err)
	}
	for name, e := range s.engines {
		if format, known := e.Recognise(head); known {
			u.Engine, u.Format = name, format
			return all, nil
		}
	}
	if bytes.Contains(head, []byte("-- PostgreSQL database cluster dump")) {
		return nil, invalid("upload", "The file is of pg_dumpall, and holds several databases and accounts. Upload what pg_dump writes of one database.")
	}
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return nil, invalid("upload", "The file is text in UTF-16, as PowerShell writes it after >. Let the program write the file itself, with --file or --result-file.")
	}
	if !looksLikeSQL(head) {
		return nil, invalid("upload", "The content of the file is not understood. "+understood)
	}
	u.Format = engine.FormatSQL
	return all, nil
}

var (
	comments = regexp.MustCompile(`(?s)^(?:[\s;]+|--[^\n]*\n|#[^\n]*\n|/\*.*?\*/|\\(?:un)?restrict [^\n]*\n)+`)
	verb     = regexp.MustCompile(`^[A-Za-z]+`)
	// verbs are how the statements of a dump begin.
	verbs = []string{"ALTER", "BEGIN", "COMMENT", "COPY", "CREATE", "DELETE", "DELIMITER", "DO", "DROP", "GRANT", "INSERT", "LOCK", "REPLACE", "SELECT", "SET", "START", "TRUNCATE", "UPDATE", "USE"}
)

// looksLikeSQL reports whether a text begins with a statement.
func looksLikeSQL(head []byte) bool {
	if bytes.ContainsRune(head, 0) {
		return false
	}
	text := comments.ReplaceAll(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), nil)
	return slices.Contains(verbs, strings.ToUpper(string(verb.Find(text))))
}

// metered counts what is read, up to a limit, and keeps the error of its reader.
type metered struct {
	io.Reader
	limit int64
	n     int64
	err   error
}

// Read implements io.Reader.
func (c *metered) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.n += int64(n); c.n > c.limit {
		err = tooLarge(c.limit)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// blame is the error of what came in, when that is why something else failed.
func (c *metered) blame(err error) error {
	var ours *Error
	switch {
	case c.err == nil, errors.As(err, &ours) && ours.Code == CodeTooLarge:
		return err
	case errors.As(c.err, &ours):
		return c.err
	}
	return &Error{Code: CodeInvalid, Field: "upload", Message: "The file did not arrive in full. Send it again.", Cause: c.err}
}
