package mariadb

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestRenewer replaces "for ever" where rows of a history are, and nowhere else, however the dump comes.
func TestRenewer(t *testing.T) {
	t.Parallel()
	rows := "INSERT INTO `h` VALUES (1,'2026-01-01 00:00:00.000000'," + oldForever + "),\n(2,'x'," + oldForever + ");\n"
	block := "/*M!101100 SET @old=1, " + historyBegins + " */;\n" + rows + "/*M!101100 SET system_versioning_insert_history=@old */;\n"
	dump := strings.Repeat(rows+block+strings.Repeat("padding ", 10000), 3) + rows
	renewed := strings.ReplaceAll(block, oldForever, newForever)
	want := strings.Repeat(rows+renewed+strings.Repeat("padding ", 10000), 3) + rows
	for name, r := range map[string]io.Reader{
		"at once": strings.NewReader(dump), "byte by byte": iotest.OneByteReader(strings.NewReader(dump)), "the end with the last bytes": iotest.DataErrReader(strings.NewReader(dump)),
	} {
		got, err := io.ReadAll(&renewer{from: r})
		if err != nil || string(got) != want {
			t.Errorf("%s: %v, %d bytes of %d, or other ones", name, err, len(got), len(want))
		}
	}
	if _, err := io.ReadAll(&renewer{from: iotest.TimeoutReader(strings.NewReader(dump))}); err == nil {
		t.Error("a dump that breaks off ended well")
	}
}
