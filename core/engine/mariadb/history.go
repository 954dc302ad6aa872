package mariadb

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// history is what becomes of the earlier versions of rows, which tables WITH SYSTEM VERSIONING have, in a backup.
type history bool

const (
	historyLost history = false // the rows of the moment are dumped, as if the tables were new
	historyKept history = true
)

// historyOf says what the server's own tool can do: it has learned to dump a history in 10.11, and only one that is kept by time,
// and not by transactions. It cannot leave single tables out.
func historyOf(ctx context.Context, conn *session) (history, error) {
	known, err := atLeast(ctx, conn, 10, 11)
	if err != nil || !known {
		return historyLost, err
	}
	var byTransactions int
	err = conn.one(ctx, &byTransactions, "select count(*) from information_schema.columns where generation_expression = 'ROW START' and data_type = 'bigint'")
	return byTransactions == 0, err
}

func atLeast(ctx context.Context, conn *session, major, minor int) (bool, error) {
	var version string
	err := conn.one(ctx, &version, "select version()")
	return versionFrom(version, major, minor), err
}

func versionFrom(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	x, _ := strconv.Atoi(parts[0])
	y, _ := strconv.Atoi(parts[1])
	return x > major || x == major && y >= minor
}

// MariaDB 11.5 knows later times than those before it. "For ever", which the end of a row says that still counts, was the last time
// there was, and is the last time there is: without a change, all rows would be of the past in a later version.
const (
	oldForever = "'2038-01-19 03:14:07.999999'"
	newForever = "'2106-02-07 06:28:15.999999'"
)

// Within these, a dump has the rows of a table with a history.
const (
	historyBegins = "@@session.system_versioning_insert_history=1"
	historyEnds   = "SET system_versioning_insert_history=@old"
)

var dumpedVersion = regexp.MustCompile(`(?m)^-- Server version\s+(\S+)`)

// renewHistory passes a dump on as the server of the session has to have it.
func renewHistory(ctx context.Context, conn *session, data io.Reader) (io.Reader, error) {
	late, err := atLeast(ctx, conn, 11, 5)
	if err != nil || !late {
		return data, err
	}
	buffered := bufio.NewReaderSize(data, renewBuffer)
	head, _ := buffered.Peek(1024) // whoever reads it comes to the error
	match := dumpedVersion.FindSubmatch(head)
	if match == nil || versionFrom(string(match[1]), 11, 5) {
		return buffered, nil
	}
	return &renewer{from: buffered}, nil
}

const renewBuffer = 1 << 20

// renewer replaces the old "for ever" by the new one, which is as long, in tables with a history.
type renewer struct {
	from   io.Reader
	held   []byte // read, and not passed on yet
	ready  int    // so many bytes of it were looked at
	inside bool
	err    error
}

// Read implements io.Reader.
func (r *renewer) Read(p []byte) (int, error) {
	for r.ready == 0 && r.err == nil {
		r.fill()
	}
	if r.ready == 0 {
		return 0, r.err
	}
	n := copy(p, r.held[:r.ready])
	r.held, r.ready = r.held[n:], r.ready-n
	return n, nil
}

// fill reads on, and looks at all but the last bytes, in which a word may have begun.
func (r *renewer) fill() {
	buffer := make([]byte, 64<<10)
	n, err := r.from.Read(buffer)
	r.held, r.err = append(r.held, buffer[:n]...), err
	longest := len(historyBegins)
	for {
		word, next := historyBegins, true
		if r.inside {
			word, next = historyEnds, false
		}
		at := bytes.Index(r.held[r.ready:], []byte(word))
		if at < 0 {
			break
		}
		r.look(r.ready + at)
		r.ready, r.inside = r.ready+at+len(word), next
	}
	r.look(len(r.held))
	if r.err == nil {
		r.ready = max(r.ready, len(r.held)-longest)
	} else {
		r.ready = len(r.held)
	}
}

// look replaces what is between what was looked at and an end.
func (r *renewer) look(end int) {
	if !r.inside {
		return
	}
	part := r.held[r.ready:end]
	for at := bytes.Index(part, []byte(oldForever)); at >= 0; at = bytes.Index(part, []byte(oldForever)) {
		copy(part[at:], newForever)
	}
}
