package slackfake

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/slack-go/slack"
)

// View is a modal as it stood when it was read.
type View struct {
	ID              string            `json:"id"`
	Hash            string            `json:"hash"`
	RootID          string            `json:"root_view_id"`
	PreviousID      string            `json:"previous_view_id,omitempty"`
	CallbackID      string            `json:"callback_id"`
	ExternalID      string            `json:"external_id"`
	PrivateMetadata string            `json:"private_metadata"`
	Title           string            `json:"title"`
	Submit          string            `json:"submit,omitempty"`
	Close           string            `json:"close,omitempty"`
	RawBlocks       json.RawMessage   `json:"blocks"`
	State           json.RawMessage   `json:"state"`             // what stands in the inputs, by block and action
	Errors          map[string]string `json:"errors,omitempty"`  // below inputs, by block
	Trouble         string            `json:"trouble,omitempty"` // what Slack itself says at the foot
}

// Blocks are the view's blocks, of slack-go's types.
func (v View) Blocks() slack.Blocks { return blocksOf(v.RawBlocks) }

// Shown are the texts of the view, below its title.
func (v View) Shown() []string { return append([]string{v.Title}, shown(decoded(v.RawBlocks))...) }

// Inputs are what can be filled in or clicked.
func (v View) Inputs() []Button { return buttonsOf(decoded(v.RawBlocks)) }

// view is a modal that is open before somebody.
type view struct {
	id, hash, root, previous string
	user                     *User
	content                  object
	blocks                   []object
	state                    state
	errors                   map[string]string
	trouble                  string
}

// Modals are the views that are open before somebody, the topmost last.
func (u *User) Modals() []View {
	u.fake.mu.Lock()
	defer u.fake.mu.Unlock()
	var all []View
	for _, v := range u.fake.stack(u) {
		all = append(all, v.public())
	}
	return all
}

// Modal is the topmost view that is open before somebody.
func (u *User) Modal() (View, bool) {
	all := u.Modals()
	if len(all) == 0 {
		return View{}, false
	}
	return all[len(all)-1], true
}

func (v *view) public() View {
	text := func(name string) string {
		s, _ := asObject(v.content[name])["text"].(string)
		return s
	}
	str := func(name string) string {
		s, _ := v.content[name].(string)
		return s
	}
	return View{
		ID: v.id, Hash: v.hash, RootID: v.root, PreviousID: v.previous, CallbackID: str("callback_id"), ExternalID: str("external_id"),
		PrivateMetadata: str("private_metadata"), Title: text("title"), Submit: text("submit"), Close: text("close"),
		RawBlocks: encoded(v.blocks), State: encoded(v.state), Errors: maps.Clone(v.errors), Trouble: v.trouble,
	}
}

// describe is the view as payloads and the Web API show it: https://docs.slack.dev/reference/objects/view-object
func (v *view) describe() object {
	f := v.user.fake
	o := object{"submit": nil, "close": nil, "private_metadata": "", "callback_id": "", "external_id": "", "clear_on_close": false, "notify_on_close": false}
	maps.Copy(o, v.content)
	maps.Copy(o, object{
		"id": v.id, "team_id": v.user.profile.TeamID, "app_id": AppID, "bot_id": BotID, "app_installed_team_id": f.o.Team, "hash": v.hash,
		"root_view_id": v.root, "previous_view_id": nil, "blocks": v.blocks, "state": object{"values": v.state},
	})
	if v.previous != "" {
		o["previous_view_id"] = v.previous
	}
	return o
}

func (f *Fake) stack(u *User) (stack []*view) {
	for _, v := range f.views {
		if v.user == u {
			stack = append(stack, v)
		}
	}
	return stack
}

func (f *Fake) close(v *view) {
	f.views = slices.DeleteFunc(f.views, func(one *view) bool { return one == v })
	f.touch()
}

func (f *Fake) closeAll(u *User) {
	f.views = slices.DeleteFunc(f.views, func(v *view) bool { return v.user == u })
	f.touch()
}

// show gives a view its content, first or anew.
func (f *Fake) show(v *view, raw json.RawMessage) error {
	if len(raw) > maxViewSize {
		return refuse("view_too_large")
	}
	content, found := checkModal(raw)
	if len(found) > 0 {
		return &apiError{code: "invalid_arguments", more: object{"response_metadata": object{"messages": found}}}
	}
	if id, _ := content["external_id"].(string); id != "" && slices.ContainsFunc(f.views, func(o *view) bool {
		return o != v && o.content["external_id"] == id
	}) {
		return refuse("duplicate_external_id")
	}
	var blocks []object
	for _, b := range list(content["blocks"]) {
		blocks = append(blocks, asObject(b))
	}
	v.content, v.blocks = content, numbered(blocks, func() string { return f.id("b") })
	v.state = initial(v.blocks, v.state)
	v.errors, v.trouble, v.hash = nil, "", f.ts()
	f.touch()
	return nil
}

// openView is views.open. It takes the place of whatever was open.
func (f *Fake) openView(a args) (object, error) {
	return f.opened(a, func(t *trigger, _ *view) error {
		f.closeAll(t.user)
		return nil
	})
}

// pushView is views.push: on top of the view in which somebody did something.
func (f *Fake) pushView(a args) (object, error) {
	return f.opened(a, func(t *trigger, v *view) error {
		stack := f.stack(t.user)
		if t.view == nil || !slices.Contains(stack, t.view) {
			return refuse("not_found")
		}
		v.root, v.previous = t.view.root, t.view.id
		return nil
	})
}

func (f *Fake) opened(a args, place func(*trigger, *view) error) (object, error) {
	if _, found := checkModal(a.raw("view")); len(found) > 0 {
		return nil, f.show(&view{}, a.raw("view")) // says what is wrong, and leaves the trigger alone
	}
	t, err := f.exchange(a["trigger_id"])
	if err != nil {
		return nil, err
	}
	v := &view{id: f.id("V"), user: t.user}
	v.root = v.id
	if err := place(t, v); err != nil {
		return nil, err
	}
	if len(f.stack(t.user)) >= maxViewStack {
		return nil, refuse("push_limit_reached")
	}
	if err := f.show(v, a.raw("view")); err != nil {
		return nil, err
	}
	f.views = append(f.views, v)
	return object{"view": v.describe()}, nil
}

// updateView is views.update.
func (f *Fake) updateView(a args) (object, error) {
	i := slices.IndexFunc(f.views, func(v *view) bool {
		return v.id == a["view_id"] || a["external_id"] != "" && v.content["external_id"] == a["external_id"]
	})
	if i < 0 {
		return nil, refuse("not_found")
	}
	v := f.views[i]
	if a["hash"] != "" && a["hash"] != v.hash {
		return nil, refuse("hash_conflict")
	}
	if err := f.show(v, a.raw("view")); err != nil {
		return nil, err
	}
	return object{"view": v.describe()}, nil
}

// submitted is what an app may answer to a submission: https://docs.slack.dev/surfaces/modals#response_actions
type submitted struct {
	Action string            `json:"response_action"`
	View   json.RawMessage   `json:"view"`
	Errors map[string]string `json:"errors"`
}

// answered does to the stack what the app answered to a submission. Without an answer the view closes.
func (f *Fake) answered(v *view, raw json.RawMessage) error {
	var a submitted
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &a); err != nil {
			return errors.New("the answer to a submission is no JSON object")
		}
	}
	switch a.Action {
	case "":
		f.close(v)
	case "clear":
		f.closeAll(v.user)
	case "update":
		return f.show(v, a.View)
	case "push":
		if len(f.stack(v.user)) >= maxViewStack {
			return refuse("push_limit_reached")
		}
		next := &view{id: f.id("V"), user: v.user, root: v.root, previous: v.id}
		if err := f.show(next, a.View); err != nil {
			return err
		}
		f.views = append(f.views, next)
	case "errors":
		return f.complain(v, a.Errors)
	default:
		return errors.New("unknown response_action " + a.Action)
	}
	return nil
}

// complain shows errors below inputs. Slack takes them for the ids of input blocks alone.
func (f *Fake) complain(v *view, errs map[string]string) error {
	if len(errs) == 0 {
		return errors.New("response_action errors without errors")
	}
	for id := range errs {
		if !slices.ContainsFunc(v.blocks, func(b object) bool { return b["block_id"] == id && b["type"] == "input" }) {
			return errors.New("response_action errors names " + id + ", which is no input block of the view")
		}
	}
	v.errors = errs
	f.touch()
	return nil
}
