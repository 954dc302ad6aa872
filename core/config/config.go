// Package config reads MyDB's configuration from the environment and checks it. Every variable NAME that is set may also come
// from a file, as NAME_FILE. The variables are documented in docs/operator.md.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/mydb-project/mydb/core/policy"
)

// Config is the whole configuration. Empty optional values mean that the part is off.
type Config struct {
	Listen       string        `env:"MYDB_LISTEN" envDefault:"127.0.0.1:8080"`
	PublicURL    string        `env:"MYDB_PUBLIC_URL"`
	DatabaseURL  string        `env:"MYDB_DATABASE_URL" secret:"true"`
	MigrateURL   string        `env:"MYDB_MIGRATE_URL" secret:"true"`
	DockerHost   string        `env:"MYDB_DOCKER_HOST"`
	InstanceHost string        `env:"MYDB_INSTANCE_HOST"`
	PortRange    PortRange     `env:"MYDB_PORT_RANGE" envDefault:"25010-25999"`
	Publish      string        `env:"MYDB_PUBLISH" envDefault:"host"`
	KeyFile      string        `env:"MYDB_KEY_FILE"`
	StoreURL     string        `env:"MYDB_STORE_URL"`
	Auth         string        `env:"MYDB_AUTH" envDefault:"local"`
	Catalogue    string        `env:"MYDB_CONFIG"`
	Log          string        `env:"MYDB_LOG" envDefault:"text"`
	StateDir     string        `env:"MYDB_STATE_DIR" envDefault:"./.mydb"`
	DevPassword  string        `env:"MYDB_DEV_PASSWORD" secret:"true"`
	ChatSim      string        `env:"MYDB_CHAT_SIM" envDefault:"127.0.0.1:8090"` // of development mode; "off" for none
	DeleteGrace  Grace         `env:"MYDB_DELETE_GRACE" envDefault:"7d"`
	WarmPool     WarmPool      `env:"MYDB_WARM_POOL"`
	SMTPURL      string        `env:"MYDB_SMTP_URL" secret:"true"`
	SMTPCAFile   string        `env:"MYDB_SMTP_CA_FILE"`
	MailFrom     string        `env:"MYDB_MAIL_FROM"`
	MailAdmins   []string      `env:"MYDB_MAIL_ADMINS"`
	CreateLimit  time.Duration `env:"MYDB_CREATE_TIMEOUT" envDefault:"5m"`

	TLSCertFile string   `env:"MYDB_TLS_CERT_FILE"`
	TLSKeyFile  string   `env:"MYDB_TLS_KEY_FILE"`
	Proxies     Networks `env:"MYDB_PROXIES"`

	SessionIdle time.Duration `env:"MYDB_SESSION_IDLE" envDefault:"2h"`
	SessionLife time.Duration `env:"MYDB_SESSION_LIFE" envDefault:"12h"`
	StepUp      time.Duration `env:"MYDB_STEP_UP" envDefault:"15m"`

	LDAPURL          []string `env:"MYDB_LDAP_URL"`
	LDAPStartTLS     bool     `env:"MYDB_LDAP_STARTTLS"`
	LDAPCAFile       string   `env:"MYDB_LDAP_CA_FILE"`
	LDAPBaseDN       string   `env:"MYDB_LDAP_BASE_DN"`
	LDAPBindDN       string   `env:"MYDB_LDAP_BIND_DN"`
	LDAPBindPassword string   `env:"MYDB_LDAP_BIND_PASSWORD" secret:"true"`
	LDAPUserFilter   string   `env:"MYDB_LDAP_USER_FILTER"`
	LDAPAdminGroup   string   `env:"MYDB_LDAP_ADMIN_GROUP"`
	LDAPUserGroup    string   `env:"MYDB_LDAP_USER_GROUP"`
	LDAPAttributes   string   `env:"MYDB_LDAP_ATTRIBUTES"`

	SlackBotToken      string `env:"MYDB_SLACK_BOT_TOKEN" secret:"true"`
	SlackAppToken      string `env:"MYDB_SLACK_APP_TOKEN" secret:"true"`
	SlackSigningSecret string `env:"MYDB_SLACK_SIGNING_SECRET" secret:"true"`
	SlackAdminChannel  string `env:"MYDB_SLACK_ADMIN_CHANNEL"`
	SlackAPIURL        string `env:"MYDB_SLACK_API_URL"`
	SlackTeamID        string `env:"MYDB_SLACK_TEAM_ID"`

	DiscordToken        string `env:"MYDB_DISCORD_TOKEN" secret:"true"`
	DiscordAppID        string `env:"MYDB_DISCORD_APP_ID"`
	DiscordGuildID      string `env:"MYDB_DISCORD_GUILD_ID"`
	DiscordPublicKey    string `env:"MYDB_DISCORD_PUBLIC_KEY"`
	DiscordAdminChannel string `env:"MYDB_DISCORD_ADMIN_CHANNEL"`
	DiscordAPIURL       string `env:"MYDB_DISCORD_API_URL"`
}

// PortRange is a range of ports, both ends included.
type PortRange struct{ First, Last int }

// UnmarshalText reads "25010-25999".
func (r *PortRange) UnmarshalText(text []byte) error {
	first, last, ok := strings.Cut(string(text), "-")
	var err1, err2 error
	r.First, err1 = strconv.Atoi(first)
	r.Last, err2 = strconv.Atoi(last)
	if !ok || err1 != nil || err2 != nil || r.First < 1024 || r.Last > 65535 || r.First > r.Last {
		return errors.New("write two ports from 1024 to 65535, the smaller first, such as 25010-25999")
	}
	return nil
}

// String writes the range as it is read.
func (r PortRange) String() string { return fmt.Sprintf("%d-%d", r.First, r.Last) }

// Grace is how long the trash keeps what was deleted.
type Grace time.Duration

// UnmarshalText reads days such as 7d, or a duration such as 36h.
func (g *Grace) UnmarshalText(text []byte) error {
	bad := errors.New("write days such as 7d, or a duration such as 36h, from 1m to 366d")
	if days, isDays := strings.CutSuffix(string(text), "d"); isDays {
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > 366 {
			return bad
		}
		*g = Grace(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < time.Minute || d > 366*24*time.Hour {
		return bad
	}
	*g = Grace(d)
	return nil
}

// WarmPool says how many spares of which engine are kept ready.
type WarmPool map[string]int

// UnmarshalText reads "postgres=2,mariadb=1"; 0 and nothing mean none.
func (p *WarmPool) UnmarshalText(text []byte) error {
	*p = WarmPool{}
	if s := strings.TrimSpace(string(text)); s == "" || s == "0" {
		return nil
	}
	for part := range strings.SplitSeq(string(text), ",") {
		name, number, ok := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.Atoi(number)
		if !ok || name == "" || err != nil || n < 0 || n > 100 {
			return errors.New("write engines with numbers from 0 to 100, such as postgres=2,mariadb=1, or 0 for none")
		}
		(*p)[name] = n
	}
	return nil
}

// Load reads the configuration from environment entries ("NAME=value", as os.Environ gives them) and checks what can be checked
// without reaching anything. The error tells of everything that is wrong, a line each, and holds no secret.
func Load(environ []string) (Config, error) {
	var c Config
	vars, err := withFiles(env.ToMap(environ))
	if err != nil {
		return c, err
	}
	told, errs := explain(env.ParseWithOptions(&c, env.Options{Environment: vars}), vars)
	if c.PublicURL == "" {
		c.PublicURL = "http://" + c.Listen
		if c.TLSOn() {
			c.PublicURL = "https://" + c.Listen
		}
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	return c, errors.Join(slices.Concat(errs, c.check(told), unknown(vars))...)
}

// withFiles fills NAME from the file that NAME_FILE names.
func withFiles(vars map[string]string) (map[string]string, error) {
	var errs []error
	for name, path := range vars {
		target, isFile := strings.CutSuffix(name, "_FILE")
		if !isFile || !strings.HasPrefix(name, "MYDB_") || path == "" || isVariable(name) {
			continue
		}
		if vars[target] != "" {
			errs = append(errs, fmt.Errorf("%s and %s are both set: set one of them", target, name))
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		vars[target] = strings.TrimRight(string(content), "\r\n")
		delete(vars, name)
	}
	return vars, errors.Join(errs...)
}

// isVariable tells the names that are variables as they are, such as MYDB_KEY_FILE.
func isVariable(name string) bool {
	for f := range reflect.TypeFor[Config]().Fields() {
		if f.Tag.Get("env") == name {
			return true
		}
	}
	return false
}

// explain names each variable that could not be read, its value unless it is a secret, and what is allowed. told has their names.
func explain(err error, vars map[string]string) (told map[string]bool, errs []error) {
	if err == nil {
		return nil, nil
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		return nil, []error{err}
	}
	told = map[string]bool{}
	for _, e := range all.Errors {
		var parse env.ParseError
		if !errors.As(e, &parse) {
			errs = append(errs, e)
			continue
		}
		field, _ := reflect.TypeFor[Config]().FieldByName(parse.Name)
		name := field.Tag.Get("env")
		told[name] = true
		errs = append(errs, wrong(name, vars[name], allowedFor(parse)))
	}
	return told, errs
}

func allowedFor(e env.ParseError) string {
	if e.Type == reflect.TypeFor[time.Duration]() {
		return "write a duration such as 5m or 1h30m"
	}
	return e.Err.Error()
}

func wrong(name, value, allowed string) error {
	return fmt.Errorf("%s is %q: %s", name, value, allowed)
}

// check looks at all that could be read, which is all but what was told already.
func (c Config) check(told map[string]bool) []error {
	var errs []error
	add := func(bad bool, name, value, allowed string) {
		if bad && !told[name] {
			errs = append(errs, wrong(name, value, allowed))
		}
	}
	_, port, err := net.SplitHostPort(c.Listen)
	_, portErr := strconv.ParseUint(port, 10, 16)
	add(err != nil || portErr != nil, "MYDB_LISTEN", c.Listen, "write an address and a port, such as 127.0.0.1:8080 or :8080")
	public, err := url.Parse(c.PublicURL)
	add(err != nil || public.Host == "" || (public.Scheme != "http" && public.Scheme != "https"),
		"MYDB_PUBLIC_URL", c.PublicURL, "write the address that people use, such as https://mydb.example.org")
	add(c.Publish != "host" && c.Publish != "ingress", "MYDB_PUBLISH", c.Publish, "write host or ingress")
	add(c.Auth != AuthLocal && c.Auth != AuthLDAP, "MYDB_AUTH", c.Auth, "write local or ldap")
	if _, _, err := c.logging(); err != nil {
		add(true, "MYDB_LOG", c.Log, err.Error())
	}
	add(c.CreateLimit < 10*time.Second || c.CreateLimit > time.Hour, "MYDB_CREATE_TIMEOUT", c.CreateLimit.String(), "write 10s to 1h")
	add(c.SessionLife < 10*time.Minute || c.SessionLife > 7*24*time.Hour, "MYDB_SESSION_LIFE", c.SessionLife.String(), "write 10m to 168h")
	add(c.SessionIdle < 5*time.Minute || c.SessionIdle > c.SessionLife, "MYDB_SESSION_IDLE", c.SessionIdle.String(), "write 5m or more, and no more than MYDB_SESSION_LIFE")
	add(c.StepUp < time.Minute || c.StepUp > c.SessionLife, "MYDB_STEP_UP", c.StepUp.String(), "write 1m or more, and no more than MYDB_SESSION_LIFE")
	add(c.PortRange.Last >= 30000 && c.PortRange.First <= 32767 && c.Publish == "ingress",
		"MYDB_PORT_RANGE", c.PortRange.String(), "Swarm hands out 30000-32767 by itself: choose ports outside")
	for name, value := range map[string]string{"MYDB_DATABASE_URL": c.DatabaseURL, "MYDB_MIGRATE_URL": c.MigrateURL} {
		if u, err := url.Parse(value); value != "" && (err != nil || !strings.HasPrefix(u.Scheme, "postgres") || u.Host == "") {
			errs = append(errs, fmt.Errorf("%s (its value is a secret) is not an address such as postgres://user:password@host:5432/mydb", name))
		}
	}
	if _, err := c.Store(); c.StoreOn() && err != nil {
		errs = append(errs, err)
	}
	return slices.Concat(errs, c.checkTLS(), c.checkMail(), c.checkChat(), c.checkLDAP())
}

// unknown tells of variables that look like ours and are not, because a misspelt one would silently do nothing.
func unknown(vars map[string]string) []error {
	known := map[string]bool{"MYDB_URL": true, "MYDB_TOKEN": true} // those of the terminal client
	for f := range reflect.TypeFor[Config]().Fields() {
		known[f.Tag.Get("env")] = true
	}
	var errs []error
	for name := range vars {
		if !strings.HasPrefix(name, "MYDB_") || known[name] || strings.HasPrefix(name, "MYDB_TEST_") {
			continue
		}
		errs = append(errs, fmt.Errorf("%s is not a variable that this version knows: correct its name or take it away", name))
	}
	return errs
}

// NeedServer reports what a server (all but `dev`) cannot do without.
func (c Config) NeedServer() error {
	var errs []error
	if c.DatabaseURL == "" {
		errs = append(errs, errors.New("MYDB_DATABASE_URL is not set: write the address of the metadata Postgres, such as postgres://mydb_app:password@host:5432/mydb"))
	}
	if c.KeyFile == "" {
		errs = append(errs, errors.New("MYDB_KEY_FILE is not set: write the path of the key that seals stored secrets (`mydb key new` makes one)"))
	}
	return errors.Join(errs...)
}

// ReadSite reads the file that MYDB_CONFIG names, or gives what is built in.
func (c Config) ReadSite() (policy.Site, error) {
	if c.Catalogue == "" {
		return policy.Default(), nil
	}
	f, err := os.Open(c.Catalogue)
	if err != nil {
		return policy.Site{}, fmt.Errorf("MYDB_CONFIG is %q: %w", c.Catalogue, err)
	}
	defer f.Close()
	site, err := policy.Read(f)
	if err != nil {
		return site, fmt.Errorf("MYDB_CONFIG is %q: %w", c.Catalogue, err)
	}
	return site, nil
}

// Logger makes the logger that MYDB_LOG asks for: "text", "json", a level, or both with a comma, such as "json,debug".
func (c Config) Logger() *slog.Logger {
	json, level, err := c.logging()
	if err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if json {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

func (c Config) logging() (json bool, level slog.Level, err error) {
	for word := range strings.SplitSeq(c.Log, ",") {
		switch word = strings.TrimSpace(word); word {
		case "json":
			json = true
		case "text", "":
		default:
			if level.UnmarshalText([]byte(word)) != nil {
				return json, level, errors.New("write text or json, and a level (debug, info, warn, error) if you like, such as json,debug")
			}
		}
	}
	return json, level, nil
}
