package mongodb

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mydb-project/mydb/core/engine"
)

//go:embed entry.sh
var entryScript []byte

//go:embed init.js
var initScript []byte

// MarkerFile lies in a data directory that is completely initialised.
const MarkerFile = "mydb-initialised"

const (
	port       = 27017
	entryPath  = "/mydb/entry.sh"
	initPath   = "/docker-entrypoint-initdb.d/10-mydb.js"
	secretPath = "/run/secrets/mydb"
	ownDir     = "/run/mydb" // tmpfs, filled by entry.sh

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
			"MONGO_INITDB_ROOT_USERNAME=" + AdminUser,
			"MONGO_INITDB_ROOT_PASSWORD_FILE=" + ownDir + "/admin_password",
			"HOME=/tmp", // the shell that runs init.js leaves its history there; the image would have that in the data directory
			"MYDB_DATA=" + in.Version.DataPath,
			"MYDB_INIT_UNTIL=" + strconv.FormatInt(unixOrZero(in.InitUntil), 10),
		},
		Configs: []engine.File{
			{Path: entryPath, Mode: 0o444, Content: entryScript},
			{Path: initPath, Mode: 0o444, Content: initScript},
		},
		SecretPath: secretPath,
		DataPath:   in.Version.DataPath,
		Tmpfs:      []engine.Tmpfs{{Path: ownDir, Size: mib, Mode: 0o700}},
		Port:       port,
		Health:     health(),
		StopGrace:  90 * time.Second, // a shutdown writes a checkpoint first
	}, nil
}

// health makes a TLS connection, as soon as the port is open to the network: a server that is recovering from a crash has not opened
// it yet, and killing it would only make it start over. Should it die of it, so does the container. The shell of the image could ask
// the server itself, but takes more processor time and memory for that than a small server has to spare.
func health() engine.Health {
	return engine.Health{
		Test: []string{
			"CMD-SHELL",
			fmt.Sprintf("! grep -qsE ' 0+:%04X 0+:0000 0A' /proc/net/tcp /proc/net/tcp6 || openssl s_client -connect 127.0.0.1:%d </dev/null >/dev/null 2>&1", port, port),
		},
		Interval:    10 * time.Second,
		Timeout:     5 * time.Second,
		StartPeriod: 10 * time.Minute,
		Retries:     6,
	}
}

// checkVersion reads a version such as "7" or "8.0". Before 6, the official image has another shell, which cannot run init.js.
func checkVersion(version string) error {
	first, _, _ := strings.Cut(version, ".")
	if major, err := strconv.Atoi(first); err != nil || major < 6 || major > 99 {
		return fmt.Errorf("MongoDB version %q: not a version from 6 on", version)
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

// args are the server's settings. Every one of them exists in all versions from 6 to 8. While it initialises, the official image
// leaves out those about logins, TLS and the replica set, and knows them by the names here.
func args(in engine.Input) []string {
	out := []string{"mongod"}
	set := func(name, value string) { out = append(out, "--"+name, value) }

	set("dbpath", in.Version.DataPath)
	set("port", strconv.Itoa(port))
	out = append(out, "--bind_ip_all")
	set("replSet", setName)
	set("keyFile", ownDir+"/keyfile") // a replica set needs one, and asks everybody for a password then
	tlsArgs(&out, set)
	// Drivers keep a connection for each thread of a program, and two to watch the server.
	set("maxConns", strconv.Itoa(4*in.Size.Connections))
	set("wiredTigerCacheSizeGB", strconv.FormatFloat(cacheGiB(int64(in.Size.Memory)), 'f', 2, 64))
	set("oplogSize", strconv.FormatInt(min(max(int64(in.Size.Disk)/10, 256*mib), 50*gib)/mib, 10)) // in MiB
	out = append(out, "--quiet")                                                                   // no line for each connection: the health check alone makes thousands a day
	set("setParameter", "enableLocalhostAuthBypass=false")
	// Nobody takes over when this server stops: waiting for that, 15 seconds by default, only makes a restart longer.
	set("setParameter", "shutdownTimeoutMillisForSignaledShutdown=1000")
	for _, name := range slices.Sorted(maps.Keys(in.Settings)) {
		set("setParameter", name+"="+in.Settings[name])
	}
	return out
}

// tlsArgs let nobody in without TLS. The server insists on an authority for certificates of clients, of which there are none: its own
// certificate, which signs no others, is one that vouches for nobody.
func tlsArgs(out *[]string, set func(name, value string)) {
	set("tlsMode", "requireTLS")
	set("tlsCertificateKeyFile", ownDir+"/tls.pem")
	set("tlsCAFile", ownDir+"/tls.crt")
	*out = append(*out, "--tlsAllowConnectionsWithoutCertificates")
	set("tlsDisabledProtocols", "TLS1_0,TLS1_1")
}

// cacheGiB is what MongoDB itself would choose on a machine with that much memory, whatever version sees of the container's limit: half
// of what is left beyond the first GiB, and at least a quarter of a GiB. The rest is for connections, sorting, and the file system.
func cacheGiB(memory int64) float64 {
	return max(float64(memory-gib)/2/gib, 0.25)
}
