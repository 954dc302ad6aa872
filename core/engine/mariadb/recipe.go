package mariadb

import (
	_ "embed"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mydb-project/mydb/core/engine"
)

//go:embed entry.sh
var entryScript []byte

//go:embed init.sh
var initScript []byte

// MarkerFile lies in a data directory that is completely initialised.
const MarkerFile = "mydb-initialised"

const (
	port       = 3306
	entryPath  = "/mydb/entry.sh"
	initPath   = "/docker-entrypoint-initdb.d/zz-mydb.sh" // the last: it removes root, as whom the image runs the others
	secretPath = "/run/secrets/mydb"
	ownDir     = "/run/mydb" // tmpfs, filled by entry.sh
	pidFile    = ownDir + "/server.pid"
	socketPath = "/run/mysqld/mysqld.sock"

	mib = 1 << 20
	gib = 1 << 30
)

// Recipe runs the official image, or one that keeps its contract.
func (Engine) Recipe(in engine.Input) (engine.Recipe, error) {
	if err := checkVersion(in.Version.Version); err != nil {
		return engine.Recipe{}, err
	}
	return engine.Recipe{
		Image:      in.Version.Image,
		Entrypoint: []string{"/bin/sh", entryPath},
		Args:       args(in),
		Env: []string{
			"MARIADB_ROOT_PASSWORD_FILE=" + ownDir + "/admin_password", // until init.sh removes root
			"MARIADB_ROOT_HOST=localhost",
			"MARIADB_AUTO_UPGRADE=1", // of the system tables, when the volume is of an earlier version
			"MYDB_DATA=" + in.Version.DataPath,
			"MYDB_INIT_UNTIL=" + strconv.FormatInt(unixOrZero(in.InitUntil), 10),
		},
		Configs: []engine.File{
			{Path: entryPath, Mode: 0o444, Content: entryScript},
			// Not executable: the image sources such a file, which also works where configs are mounted noexec.
			{Path: initPath, Mode: 0o444, Content: initScript},
		},
		SecretPath: secretPath,
		DataPath:   in.Version.DataPath,
		Tmpfs:      []engine.Tmpfs{{Path: ownDir, Size: mib, Mode: 0o700}},
		Port:       port,
		Health:     health(),
		StopGrace:  2 * time.Minute, // a shutdown writes all changed pages first
	}, nil
}

// health counts a server that has no process file yet as alive: it is recovering from a crash, which it does before it opens its
// port, and killing it would only make it start over. Should the server die of it, so does the container.
// mariadb-admin also exits with 0 when the server answers but has no connection left.
func health() engine.Health {
	return engine.Health{
		Test: []string{
			"CMD-SHELL",
			"test ! -e " + pidFile + " || mariadb-admin --defaults-file=" + ownDir + "/health.cnf --connect-timeout=4 ping >/dev/null",
		},
		Interval:    10 * time.Second,
		Timeout:     5 * time.Second,
		StartPeriod: 10 * time.Minute,
		Retries:     6,
	}
}

// checkVersion reads a version such as "10.6", "11.8" or "12".
func checkVersion(version string) error {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, err := strconv.Atoi(first)
	minor, minorErr := 0, error(nil)
	if rest != "" {
		minor, minorErr = strconv.Atoi(second)
	}
	if err != nil || minorErr != nil || major < 10 || major > 99 || minor < 0 || major == 10 && minor < 6 {
		return fmt.Errorf("MariaDB version %q: not a version from 10.6 on", version)
	}
	return nil
}

// unixOrZero keeps the zero time from becoming a number that a shell may not be able to compare.
func unixOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// args are the server's settings. Every one of them exists in all versions from 10.6 to 12, but for those set as loose. None holds a blank:
// the image would not pass it on when it initialises.
func args(in engine.Input) []string {
	out := []string{"mariadbd"}
	set := func(name, value string) { out = append(out, "--"+name+"="+value) }

	set("datadir", in.Version.DataPath)
	set("socket", socketPath)
	set("pid-file", pidFile)
	set("port", strconv.Itoa(port))
	set("max-connections", strconv.Itoa(in.Size.Connections))
	set("ssl-cert", ownDir+"/tls.crt")
	set("ssl-key", ownDir+"/tls.key")
	set("tls-version", "TLSv1.2,TLSv1.3")
	set("require-secure-transport", "ON")
	set("skip-name-resolve", "ON")
	set("host-cache-size", "0") // or a port scanner could have everybody behind its address locked out
	set("default-time-zone", "+00:00")
	set("character-set-server", "utf8mb4")
	set("max-allowed-packet", megabytes(64*mib))
	set("userstat", "ON") // counts logins, so that a database in use is known as such
	memoryArgs(in.Size, set)
	binlogArgs(in, set)
	for _, name := range slices.Sorted(maps.Keys(in.Settings)) {
		set(name, in.Settings[name])
	}
	return out
}

// memoryArgs gives half of the memory to InnoDB's cache. A temporary table may be there several times in one query: those of all
// connections together get another quarter.
func memoryArgs(size engine.Size, set func(name, value string)) {
	memory, disk := int64(size.Memory), int64(size.Disk)
	temporary := clamp(memory/4/int64(max(size.Connections, 1)), 4*mib, 256*mib)
	set("innodb-buffer-pool-size", megabytes(memory/2))
	set("innodb-log-file-size", megabytes(clamp(disk/50, 96*mib, 4*gib)))
	set("innodb-flush-log-at-trx-commit", "1")
	set("aria-pagecache-buffer-size", megabytes(clamp(memory/32, 8*mib, 512*mib)))
	set("key-buffer-size", megabytes(clamp(memory/64, 8*mib, 256*mib)))
	set("tmp-table-size", megabytes(temporary))
	set("max-heap-table-size", megabytes(temporary))
	set("table-open-cache", strconv.Itoa(400+int(math.Ceil(size.CPU))*400))
}

// binlogArgs switch the binary log on from the first start, so that recovery to any moment can be turned on later without a new
// server. The server's number differs from instance to instance: one could then follow another.
func binlogArgs(in engine.Input, set func(name, value string)) {
	number := fnv.New32a()
	_, _ = number.Write([]byte(in.InstanceID)) // never fails
	set("server-id", strconv.FormatUint(uint64(max(number.Sum32(), 1)), 10))
	set("log-bin", "mydb-bin")
	set("binlog-format", "ROW")
	set("gtid-strict-mode", "ON")
	// Rows are logged, not statements, so what a scientist's trigger or function does is copied as it was.
	set("log-bin-trust-function-creators", "ON")
	set("sync-binlog", "1")
	set("max-binlog-size", megabytes(clamp(int64(in.Size.Disk)/100, 64*mib, gib)))
	set("expire-logs-days", "3")
	// Recent versions keep all logs for ever while no replica is connected. Versions before 10.6.18 and 10.11.8 do not have it.
	set("loose-slave-connections-needed-for-purge", "0")
}

func clamp(v, low, high int64) int64 { return min(max(v, low), high) }

func megabytes(bytes int64) string { return strconv.FormatInt(bytes/mib, 10) + "M" }
