package portal

import (
	"net/http"
	"strings"
)

// What browsers and systems call themselves, the more particular first: most also name those that they want to be taken for.
var (
	browserMarks = [][2]string{
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chromium/", "Chromium"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"},
	}
	systemMarks = [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
	}
)

// deviceOf says in a few words with what somebody logs in, so that they know it again in the list of their sessions. It is what the browser
// tells, and proves nothing.
func deviceOf(r *http.Request) string {
	agent := r.UserAgent()
	browser, system := firstMark(browserMarks, agent), firstMark(systemMarks, agent)
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser+system != "":
		return browser + system
	}
	return "an unknown browser"
}

func firstMark(marks [][2]string, agent string) string {
	for _, m := range marks {
		if strings.Contains(agent, m[0]) {
			return m[1]
		}
	}
	return ""
}
