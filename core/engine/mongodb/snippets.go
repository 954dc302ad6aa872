package mongodb

import (
	"net"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/quoting"
)

// Snippets are the ways to connect. All but the last read the card's URI, with the password in it, from the file that URIFile names, so
// none of them holds a password, and none hands one to a program in its arguments, where others would see it. Compass asks for the
// password.
func (Engine) Snippets(c engine.Card) []engine.Snippet {
	file := URIFile(c)
	return []engine.Snippet{
		{Tool: "mongosh", Title: "mongosh", Language: "shell", Text: Shell(c)},
		{Tool: "pymongo", Title: "Python (PyMongo)", Language: "python", Text: quoting.Lines(
			"from pathlib import Path",
			"from pymongo import MongoClient",
			"",
			"client = MongoClient(Path("+quoting.Literal(file)+").expanduser().read_text().strip())",
			"db = client["+quoting.Literal(c.Database)+"]",
			"print(db.list_collection_names())",
		)},
		{Tool: "r", Title: "R (mongolite)", Language: "r", Text: quoting.Lines(
			"library(mongolite)",
			"",
			`con <- mongo("samples", db = `+quoting.Literal(c.Database)+", url = readLines(path.expand("+quoting.Literal(file)+")))",
			"con$count()",
		)},
		{Tool: "java", Title: "Java (sync driver 4 or newer)", Language: "java", Text: java(c, file)},
		{Tool: "dump", Title: "mongodump (a copy of the database, from any directory)", Language: "shell", Text: quoting.Lines(
			`printf 'uri: %s\n' "$(cat ` + quoting.ShellPath(file) + `)" | mongodump --config /dev/stdin --archive=` + quoting.ShellWord(c.Database+".archive"),
		)},
		{Tool: "uri", Title: "URI (Compass and others; add the password, write ~ out)", Language: "text", Text: uri(c, "")},
	}
}

// Shell is the command that connects mongosh by the card's URI.
func Shell(c engine.Card) string {
	return "mongosh --nodb --shell --eval " + quoting.ShellWord(
		`db = connect(require("fs").readFileSync(`+inHome(URIFile(c), `require("os").homedir() + `)+`, "utf8").trim())`)
}

// java trusts MyDB's authority by hand, because Java's driver does not read that from the URI.
func java(c engine.Card, file string) string {
	home := `System.getProperty("user.home") + `
	return quoting.Lines(
		`var ca = java.security.KeyStore.getInstance(java.security.KeyStore.getDefaultType());`,
		`ca.load(null);`,
		`try (var in = java.nio.file.Files.newInputStream(java.nio.file.Path.of(`+inHome(c.CAPath, home)+`))) {`,
		`    ca.setCertificateEntry("mydb", java.security.cert.CertificateFactory.getInstance("X.509").generateCertificate(in));`,
		`}`,
		`var trust = javax.net.ssl.TrustManagerFactory.getInstance(javax.net.ssl.TrustManagerFactory.getDefaultAlgorithm());`,
		`trust.init(ca);`,
		`var tls = javax.net.ssl.SSLContext.getInstance("TLS");`,
		`tls.init(null, trust.getTrustManagers(), null);`,
		`var uri = java.nio.file.Files.readString(java.nio.file.Path.of(`+inHome(file, home)+`)).strip();`,
		``,
		`try (var client = com.mongodb.client.MongoClients.create(com.mongodb.MongoClientSettings.builder()`,
		`        .applyConnectionString(new com.mongodb.ConnectionString(uri))`,
		`        .applyToSslSettings(s -> s.enabled(true).context(tls)).build())) {`,
		`    client.getDatabase(`+quoting.Literal(c.Database)+`).listCollectionNames().forEach(System.out::println);`,
		`}`,
	)
}

// URIFile is where `mydb connect --save` puts the card's URI: next to the certificate, named like the instance.
func URIFile(c engine.Card) string { return path.Join(path.Dir(c.CAPath), plain(c.Name)+".uri") }

// URI is the content of URIFile: the whole way to the database, with the password. It ends with a line break.
func URI(c engine.Card, password string) string { return uri(c, password) + "\n" }

// PasswordOf finds the password in the content of a URIFile; "" is none.
func PasswordOf(content string) string {
	u, err := url.Parse(strings.TrimSpace(content))
	if err != nil || u.User == nil {
		return ""
	}
	password, _ := u.User.Password()
	return password
}

// uri writes a connection string; with a password "" it has none. Direct, because the server calls itself by an address that only it
// can reach.
func uri(c engine.Card, password string) string {
	user := quoting.Percent(c.Username)
	if password != "" {
		user += ":" + quoting.Percent(password)
	}
	return "mongodb://" + user + "@" + net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) + "/" + quoting.Percent(c.Database) +
		"?authSource=" + adminDB + "&directConnection=true&tls=true&tlsCAFile=" + percentPath(c.CAPath)
}

// plain makes a file's name of a card's.
func plain(s string) string { return strings.NewReplacer("/", "", "\n", "", "\r", "").Replace(s) }

// percentPath leaves what separates folders, and a leading ~, as people know it.
func percentPath(s string) string {
	return strings.NewReplacer("%2F", "/", "%7E", "~").Replace(quoting.Percent(s))
}

// inHome is a path in JavaScript or Java; home is what yields a person's home directory there, to be added to.
func inHome(path, home string) string {
	if rest, ok := strings.CutPrefix(path, "~"); ok {
		return home + quoting.Literal(rest)
	}
	return quoting.Literal(path)
}
