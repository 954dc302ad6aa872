package slackfake_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// answer is what the Web API says, whatever was asked.
type answer struct {
	OK       bool   `json:"ok"`
	Error    string `json:"error"`
	Needed   string `json:"needed"`
	Provided string `json:"provided"`
	URL      string `json:"url"`
	Metadata struct {
		Messages []string `json:"messages"`
	} `json:"response_metadata"`
	View struct {
		ID   string `json:"id"`
		Hash string `json:"hash"`
	} `json:"view"`
	raw string
}

// call asks the Web API in JSON, for what the library would not let through.
func call(t *testing.T, f *slackfake.Fake, method string, args map[string]any) answer {
	t.Helper()
	return callWith(t, f, f.BotToken(), method, args)
}

func callWith(t *testing.T, f *slackfake.Fake, token, method string, args map[string]any) answer {
	t.Helper()
	body, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	return post(t, f.APIURL()+method, token, body)
}

func post(t *testing.T, url, token string, body []byte) (a answer) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a.raw = string(raw)
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatalf("%s answers %s", url, raw)
	}
	return a
}
