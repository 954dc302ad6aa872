package postgres

import (
	_ "embed"
	"fmt"
	"maps"
	"math"
	"path"
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
	port       = 5432
	entryPath  = "/mydb/entry.sh"
	initPath   = "/docker-entrypoint-initdb.d/10-mydb.sh"
	secretPath = "/run/secrets/mydb"
	ownDir     = "/run/mydb" // tmpfs, filled by entry.sh

	mib = 1 << 20
	gib = 1 << 30
)

// Recipe runs the official image, or one that keeps its contract.
func (Engine) Recipe(in engine.Input) (engine.Recipe, error) {
	major, err := majorOf(in.Version.Version)
	if err != nil {
		return engine.Recipe{}, err
	}
	return engine.Recipe{
		Image:      in.Version.Image,
		Entrypoint: []string{"/bin/sh", entryPath},
		Args:       args(in),
		Env: []string{
			"POSTGRES_USER=" + AdminUser,
			"POSTGRES_PASSWORD_FILE=" + ownDir + "/admin_password",
			"POSTGRES_DB=" + maintenanceDB,
			"POSTGRES_INITDB_ARGS=--encoding=UTF8 --data-checksums --auth-local=scram-sha-256 --auth-host=scram-sha-256",
			"PGDATA=" + dataDirectory(major, in.Version.DataPath),
			"MYDB_INIT_UNTIL=" + strconv.FormatInt(unixOrZero(in.InitUntil), 10),
		},
		Configs: []engine.File{
			{Path: entryPath, Mode: 0o444, Content: entryScript},
			// Not executable: the image sources such a file, which also works where configs are mounted noexec.
			{Path: initPath, Mode: 0o444, Content: initScript},
		},
		SecretPath: secretPath,
		DataPath:   in.Version.DataPath,
		Tmpfs: []engine.Tmpfs{
			{Path: "/dev/shm", Size: int64(in.Size.SHM), Mode: 0o1777}, // parallel queries exchange their rows here
			{Path: ownDir, Size: mib, Mode: 0o700},
		},
		Port:      port,
		Health:    health(),
		StopGrace: 90 * time.Second, // a fast shutdown writes a checkpoint first
	}, nil
}

// health counts a server that rejects connections (exit code 1) as alive: it is recovering from a crash or replaying a log, and
// killing it would only make it start over. Asked over TCP, because the server that the image runs during initialisation
// listens on the socket only.
func health() engine.Health {
	return engine.Health{
		Test: []string{
			"CMD-SHELL",
			fmt.Sprintf("pg_isready --quiet --host=127.0.0.1 --port=%d --username=%s --dbname=%s --timeout=3; test $? -le 1", port, AdminUser, maintenanceDB),
		},
		Interval:    10 * time.Second,
		Timeout:     5 * time.Second,
		StartPeriod: 10 * time.Minute,
		Retries:     6,
	}
}

// majorOf reads the major version of "17" or "17.2".
func majorOf(version string) (int, error) {
	word, _, _ := strings.Cut(version, ".")
	major, err := strconv.Atoi(word)
	if err != nil || major < 13 || major > 99 {
		return 0, fmt.Errorf("PostgreSQL version %q: not a version from 13 on", version)
	}
	return major, nil
}

// dataDirectory is PGDATA for a volume mounted at dataPath. From 18 on the official image keeps the data one level deeper, so
// that pg_upgrade can link files within one volume. Set explicitly: a data directory outside the volume would be lost with the
// container.
func dataDirectory(major int, dataPath string) string {
	if major >= 18 {
		return path.Join(dataPath, strconv.Itoa(major), "docker")
	}
	return dataPath
}

// unixOrZero keeps the zero time from becoming a number that a shell may not be able to compare.
func unixOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// args are the server's settings. Every one of them exists in all versions from 13 to 18. Settings that do not, and must stay
// out: wal_keep_segments (gone in 13), vacuum_cleanup_index_scale_factor (14), stats_temp_directory (15), promote_trigger_file
// and force_parallel_mode (16), old_snapshot_threshold and db_user_namespace (17).
func args(in engine.Input) []string {
	size := in.Size
	out := []string{"postgres"}
	set := func(name, value string) { out = append(out, "-c", name+"="+value) }

	set("listen_addresses", "*")
	set("max_connections", strconv.Itoa(size.Connections))
	set("password_encryption", "scram-sha-256")
	set("ssl", "on")
	set("ssl_cert_file", ownDir+"/tls.crt")
	set("ssl_key_file", ownDir+"/tls.key")
	set("log_destination", "stderr")
	set("logging_collector", "off")
	set("log_line_prefix", "%m [%p] %q%u@%d ")
	set("shared_preload_libraries", "pg_stat_statements")
	memoryArgs(size, set)
	walArgs(size, set)
	parallelArgs(size, set)
	for _, name := range slices.Sorted(maps.Keys(in.Settings)) {
		set(name, in.Settings[name])
	}
	return out
}

// memoryArgs follows the usual rule of a quarter of the memory for the server's own cache. work_mem may be used several times by
// one query: all connections together get another quarter.
func memoryArgs(size engine.Size, set func(name, value string)) {
	memory := int64(size.Memory)
	set("shared_buffers", megabytes(memory/4))
	set("effective_cache_size", megabytes(memory*7/10))
	set("work_mem", megabytes(clamp(memory/4/int64(max(size.Connections, 1)), 4*mib, 256*mib)))
	set("maintenance_work_mem", megabytes(clamp(memory/16, 16*mib, gib)))
}

// walArgs keeps the log within a share of the disk figure, also when nobody fetches it for the archive: beyond the cap the
// slot is given up, and the archive has a gap, but the scientist's server lives on.
func walArgs(size engine.Size, set func(name, value string)) {
	disk := int64(size.Disk)
	maxWAL := clamp(disk/10, 256*mib, 16*gib)
	set("wal_level", "replica")
	set("max_wal_size", megabytes(maxWAL))
	set("min_wal_size", megabytes(maxWAL/8))
	set("max_slot_wal_keep_size", megabytes(max(disk/5, 64*mib)))
	set("checkpoint_completion_target", "0.9")
	// These two, and max_prepared_transactions and max_locks_per_transaction, which stay at their defaults, must not shrink from
	// one size to another while hot_standby is on: a server that replays the log of a bigger one then stops for good. Nobody
	// reads from a MyDB server before it is recovered, so hot_standby is off; with that, a login also means "recovered".
	set("max_wal_senders", "5")
	set("max_replication_slots", "5")
	set("hot_standby", "off")
}

// parallelArgs lets one query use the cores of the size class: the workers and the session's own process together.
func parallelArgs(size engine.Size, set func(name, value string)) {
	cores := int(math.Ceil(size.CPU))
	perQuery := strconv.Itoa(min(max(cores-1, 0), 4))
	set("max_worker_processes", strconv.Itoa(8+cores)) // the others are for extensions and logical replication
	set("max_parallel_workers", strconv.Itoa(cores))
	set("max_parallel_workers_per_gather", perQuery)
	set("max_parallel_maintenance_workers", perQuery)
}

func clamp(v, low, high int64) int64 { return min(max(v, low), high) }

func megabytes(bytes int64) string { return strconv.FormatInt(bytes/mib, 10) + "MB" }
