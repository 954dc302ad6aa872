package engine

import (
	"bufio"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// OfLater adds to what a server has refused of a dump that the dump is of a later release, where it is. dumped and server are numbers
// such as 17 or 11.8; empty when they are not known. Other errors stay as they are.
func OfLater(err error, title, dumped, server string) error {
	var refused *RefusedError
	if !errors.As(err, &refused) || slices.Compare(numbers(dumped), numbers(server)) <= 0 {
		return err
	}
	return &RefusedError{Err: err, Message: fmt.Sprintf("%s The dump is of %s %s, which is later than the new database's %s. Choose that version, or a later one.", refused.Message, title, dumped, server)}
}

func numbers(release string) (out []int) {
	for part := range strings.SplitSeq(release, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return out
		}
		out = append(out, n)
	}
	return out
}

// Announced looks in the beginning of a dump for the release that it is of, which is what the pattern's group finds; empty: it does not
// say. Nothing is read by that.
func Announced(dump *bufio.Reader, pattern *regexp.Regexp) string {
	head, _ := dump.Peek(1000) // a shorter one is all that there is
	if found := pattern.FindSubmatch(head); found != nil {
		return string(found[1])
	}
	return ""
}
