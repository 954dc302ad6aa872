package discordfake_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/bot/discord/discordfake"
)

// TestMain lets many tests run at once, because most of their time the library sleeps. Its log would tell of each connection that a test
// breaks.
func TestMain(m *testing.M) {
	discordgo.Logger = func(int, int, string, ...any) {}
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// newFake makes a fake whose clock stands still until the test advances it, so that a slow machine breaks no deadline.
func newFake(t *testing.T, options ...func(*discordfake.Options)) *discordfake.Fake {
	t.Helper()
	at := time.Now()
	o := discordfake.Options{Now: func() time.Time { return at }}
	for _, change := range options {
		change(&o)
	}
	f, err := discordfake.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// patient is how long a test waits for what must come.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// elsewhere sends what is meant for Discord to the fake.
type elsewhere struct{ to *url.URL }

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = e.to.Scheme, e.to.Host
	return http.DefaultTransport.RoundTrip(r)
}

// newBot makes a session of the real library that talks with the fake.
func newBot(t *testing.T, f *discordfake.Fake) *discordgo.Session {
	t.Helper()
	s, err := discordgo.New("Bot " + f.Token())
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.Client = &http.Client{Transport: elsewhere{to}, Timeout: time.Minute}
	s.ShouldRetryOnRateLimit = false
	s.MaxRestRetries = 0
	s.Identify.Intents = discordgo.IntentsGuilds | discordgo.IntentsGuildMessages | discordgo.IntentsDirectMessages
	return s
}

// open connects a bot to the gateway until the test ends.
func open(t *testing.T, s *discordgo.Session) {
	t.Helper()
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.ShouldReconnectOnError = false
		_ = s.Close()
	})
}

// must gives the value, unless there is an error.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// call makes a request of the bot by hand, and reads the answer.
func call(t *testing.T, f *discordfake.Fake, method, path string, body any) (status int, answer map[string]any, headers http.Header) {
	t.Helper()
	status, raw, headers := callRaw(t, f, method, path, body)
	if len(raw) > 0 && raw[0] == '{' {
		if err := json.Unmarshal(raw, &answer); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, raw)
		}
	}
	return status, answer, headers
}

func callRaw(t *testing.T, f *discordfake.Fake, method, path string, body any) (int, []byte, http.Header) {
	t.Helper()
	raw, ok := body.([]byte)
	if !ok && body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), method, f.URL+"/api/v10"+path, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bot "+f.Token())
	request.Header.Set("User-Agent", "DiscordBot (https://example.com, 1)")
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer, response.Header
}

func TestIDsTellTheirTime(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	first := f.AddUser("ada")
	f.Advance(time.Hour)
	second := f.AddUser("bob")
	if between := discordfake.TimeOf(second.ID).Sub(discordfake.TimeOf(first.ID)); between != time.Hour {
		t.Errorf("between the ids %s and %s are %s, not an hour", first.ID, second.ID, between)
	}
	theirs, err := discordgo.SnowflakeTimestamp(second.ID)
	if err != nil || !theirs.Equal(discordfake.TimeOf(second.ID)) || f.Now().Sub(theirs).Abs() >= time.Millisecond {
		t.Errorf("the library reads %s (%v) in an id of %s", theirs, err, f.Now())
	}
	if first.ID == f.AddUser("eve").ID {
		t.Error("two users have the same id")
	}
}

func TestWaitingEndsWithWhatWasSeen(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	ada, c := f.AddUser("ada"), f.AddChannel("lab")
	must[discordfake.Message](t)(ada.Says(c, "anybody here?"))
	call(t, f, "GET", "/channels/"+c.ID, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := ada.WaitText(ctx, c, "welcome")
	for _, want := range []string{"ada in #lab", `a message with "welcome"`, "anybody here?", "GET /channels/" + c.ID} {
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(want)) {
			t.Errorf("the error %v does not say %q", err, want)
		}
	}
}
