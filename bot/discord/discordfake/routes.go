package discordfake

import (
	"net/http"
	"strings"
)

// api is the whole REST interface. A token in a path makes a call open: who knows it may.
var api = []endpoint{
	{method: "GET", path: "/gateway", open: true, do: gatewayURL},
	{method: "GET", path: "/gateway/bot", do: gatewayForBots},

	{method: "GET", path: "/users/@me", do: getSelf},
	{method: "GET", path: "/users/{user}", do: getUser},
	{method: "POST", path: "/users/@me/channels", do: openDM},
	{method: "GET", path: "/applications/@me", do: getApplication},
	{method: "GET", path: "/oauth2/applications/@me", do: getApplication},
	{method: "GET", path: "/guilds/{guild}", do: getGuild},
	{method: "GET", path: "/guilds/{guild}/members/{user}", do: getMember},

	{method: "GET", path: "/channels/{channel}", do: getChannel},
	{method: "GET", path: "/channels/{channel}/messages", do: listMessages},
	{method: "POST", path: "/channels/{channel}/messages", limit: LimitSend, do: sendMessage},
	{method: "GET", path: "/channels/{channel}/messages/{message}", do: getMessage},
	{method: "PATCH", path: "/channels/{channel}/messages/{message}", limit: LimitEdit, do: editMessage},
	{method: "DELETE", path: "/channels/{channel}/messages/{message}", do: deleteMessage},

	{method: "GET", path: "/applications/{app}/commands", do: listCommands},
	{method: "PUT", path: "/applications/{app}/commands", do: overwriteCommands},
	{method: "GET", path: "/applications/{app}/guilds/{guild}/commands", do: listCommands},
	{method: "PUT", path: "/applications/{app}/guilds/{guild}/commands", do: overwriteCommands},

	{method: "POST", path: "/interactions/{interaction}/{token}/callback", open: true, do: callback},
	{method: "POST", path: "/webhooks/{app}/{token}", open: true, limit: LimitWebhook, do: followUp},
	{method: "GET", path: "/webhooks/{app}/{token}/messages/{message}", open: true, do: getAnswer},
	{method: "PATCH", path: "/webhooks/{app}/{token}/messages/{message}", open: true, limit: LimitWebhook, do: editAnswer},
	{method: "DELETE", path: "/webhooks/{app}/{token}/messages/{message}", open: true, do: deleteAnswer},
}

// gatewayPath is where the gateway listens. Libraries add a slash and a query.
const gatewayPath = "/gateway/"

func (f *Fake) routes() http.Handler {
	mux := http.NewServeMux()
	for _, e := range api {
		mux.Handle(e.method+" /api/{version}"+e.path, f.serve(e))
	}
	mux.Handle("/", f.serve(endpoint{open: true, do: unknown}))
	mux.HandleFunc("GET "+gatewayPath, f.connect)
	mux.HandleFunc("GET /attachments/{channel}/{attachment}/{name}", f.download)
	return mux
}

// unknown is what this Discord does not have. The real one may have it, so a test should hear of it.
func unknown(f *Fake, r *request) (any, *apiError) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		f.violation("%s %s is not known here", r.Method, callPath(r.Request))
	}
	return nil, errNotFound
}

// download serves a file of a message. As on the real one, its address is all that is needed.
func (f *Fake) download(w http.ResponseWriter, h *http.Request) {
	var found *Attachment
	f.lock(func() {
		if c := f.channel(h.PathValue("channel")); c != nil {
			found = c.attachment(h.PathValue("attachment"))
		}
	})
	if found == nil {
		http.NotFound(w, h)
		return
	}
	w.Header().Set("Content-Type", found.ContentType)
	_, _ = w.Write(found.Data)
}

func (c *Channel) attachment(id string) *Attachment {
	for _, m := range c.messages {
		for _, a := range m.Attachments {
			if a.ID == id {
				return &a
			}
		}
	}
	return nil
}
