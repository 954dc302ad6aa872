package slackfake_test

import (
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// form is the modal of these tests: a name, a version, a choice of kindness.
func form(title string) slack.ModalViewRequest {
	name := slack.NewPlainTextInputBlockElement(plain("genomes"), "name").WithMinLength(3).WithMaxLength(40)
	version := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plain("Choose"), "version",
		slack.NewOptionBlockObject("17", plain("PostgreSQL 17"), nil), slack.NewOptionBlockObject("16", plain("PostgreSQL 16"), nil))
	version.InitialOption = slack.NewOptionBlockObject("17", plain("PostgreSQL 17"), nil)
	phi := slack.NewCheckboxGroupsBlockElement("phi", slack.NewOptionBlockObject("yes", plain("Health data"), nil))
	return slack.ModalViewRequest{
		Type: slack.VTModal, Title: plain(title), Submit: plain("Create"), CallbackID: "create", PrivateMetadata: "C1",
		Blocks: slack.Blocks{BlockSet: []slack.Block{
			slack.NewInputBlock("name", plain("Name"), nil, name),
			slack.NewInputBlock("version", plain("Version"), nil, version),
			slack.NewInputBlock("phi", plain("Data"), nil, phi).WithOptional(true),
			slack.NewActionBlock("more", slack.NewButtonBlockElement("help", "me", plain("Help"))),
		}},
	}
}

// TestModal opens, refuses, pushes, updates and closes.
func TestModal(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	answers := make(chan any, 1)
	var got slack.InteractionCallback
	runApp(t, w.Fake, func(e socketmode.Event) any {
		switch data := e.Data.(type) {
		case slack.SlashCommand:
			if _, err := w.api.OpenView(data.TriggerID, form("Create a database")); err != nil {
				t.Errorf("OpenView: %v", err)
			}
		case slack.InteractionCallback:
			got = data
			return <-answers
		}
		return nil
	})
	told(t, w.alice.Command(w.lab, "/mydb", "create"))
	v, err := w.alice.AwaitModal(patient(t), "Create a database")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := w.bob.Modal(); ok {
		t.Error("Bob sees Alice's modal")
	}
	for _, values := range []map[string]string{
		nil, {"name": "ab"}, {"name": strings.Repeat("x", 41)}, {"name": "two\nlines"}, {"name": "genomes", "version": "9"}, {"name": "genomes", "colour": "red"},
	} {
		if _, err := w.alice.Submit(v, values).Wait(patient(t)); err == nil {
			t.Errorf("the client submits %v", values)
		}
	}
	answers <- slack.NewErrorsViewSubmissionResponse(map[string]string{"name": "It is taken."})
	told(t, w.alice.Submit(v, map[string]string{"name": "genomes", "version": "PostgreSQL 16", "phi": "yes"}))
	values := got.View.State.Values
	if values["name"]["name"].Value != "genomes" || values["version"]["version"].SelectedOption.Value != "16" || values["phi"]["phi"].SelectedOptions[0].Value != "yes" {
		t.Errorf("submitted %+v", values)
	}
	if got.View.ID != v.ID || got.View.Hash != v.Hash || got.View.PrivateMetadata != "C1" || got.User.ID != w.alice.ID() || got.TriggerID == "" {
		t.Errorf("the payload is %+v", got)
	}
	if v, _ = w.alice.Modal(); v.Errors["name"] != "It is taken." {
		t.Errorf("the errors are %v", v.Errors)
	}
	next := form("Sure?")
	answers <- slack.NewPushViewSubmissionResponse(&next)
	told(t, w.alice.Submit(v, nil))
	if open := w.alice.Modals(); len(open) != 2 || open[1].PreviousID != v.ID || open[1].RootID != v.ID {
		t.Errorf("after push: %+v", open)
	}
	top, _ := w.alice.Modal()
	next = form("Done")
	answers <- slack.NewUpdateViewSubmissionResponse(&next)
	told(t, w.alice.Submit(top, map[string]string{"name": "genomes"}))
	if top, _ = w.alice.Modal(); top.Title != "Done" || !strings.Contains(string(top.State), "genomes") {
		t.Errorf("after update: %+v", top)
	}
	answers <- slack.NewErrorsViewSubmissionResponse(map[string]string{"more": "not an input"})
	told(t, w.alice.Submit(top, nil))
	if top, _ = w.alice.Modal(); top.Trouble == "" {
		t.Error("errors for what is no input are shown")
	}
	answers <- slack.NewClearViewSubmissionResponse()
	told(t, w.alice.Submit(top, nil))
	if open := w.alice.Modals(); len(open) != 0 {
		t.Errorf("after clear: %+v", open)
	}
	if v := w.Report().Violations; len(v) != 1 {
		t.Errorf("violations: %v", v)
	}
}

// TestViewsAPI updates with a hash, pushes from a click, and closes.
func TestViewsAPI(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	interactions := make(chan slack.InteractionCallback, 9)
	runApp(t, w.Fake, func(e socketmode.Event) any {
		if data, ok := e.Data.(slack.InteractionCallback); ok {
			interactions <- data
		}
		return nil
	})
	trigger := triggerOf(t, w.alice.Command(w.lab, "/mydb", ""))
	if _, err := w.api.OpenView("nonsense", form("x")); code(err) != "invalid_trigger_id" {
		t.Errorf("a trigger of nobody: %v", err)
	}
	loading := form("Loading")
	loading.NotifyOnClose = true
	v, err := w.api.OpenView(trigger, loading)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.api.OpenView(trigger, form("x")); code(err) != "exchanged_trigger_id" {
		t.Errorf("a trigger a second time: %v", err)
	}
	if _, err := w.api.PushView(triggerOf(t, w.alice.Command(w.lab, "/mydb", "")), form("x")); code(err) != "not_found" {
		t.Errorf("a push from outside of a view: %v", err)
	}
	if _, err := w.api.UpdateView(loading, "", v.View.Hash, v.View.ID); err != nil {
		t.Errorf("UpdateView: %v", err)
	}
	if _, err := w.api.UpdateView(loading, "", v.View.Hash, v.View.ID); code(err) != "hash_conflict" {
		t.Errorf("UpdateView with an old hash: %v", err)
	}
	if _, err := w.api.UpdateView(loading, "", "", "V404"); code(err) != "not_found" {
		t.Errorf("UpdateView of nothing: %v", err)
	}
	for i := range 3 {
		top, _ := w.alice.Modal()
		told(t, w.alice.ClickIn(top, "help", ""))
		click := <-interactions
		if click.ActionCallback.BlockActions[0].Value != "me" || click.Container.ViewID != top.ID {
			t.Errorf("the click is %+v", click)
		}
		_, err := w.api.PushView(click.TriggerID, form("Help"))
		if want := []string{"", "", "push_limit_reached"}[i]; code(err) != want {
			t.Errorf("push %d: %v, want %q", i+1, err, want)
		}
	}
	for range 2 {
		top, _ := w.alice.Modal()
		if d := w.alice.Dismiss(top); d != nil {
			t.Error("a view that does not want to know is told")
		}
	}
	top, _ := w.alice.Modal()
	told(t, w.alice.Dismiss(top))
	if closed := <-interactions; closed.Type != slack.InteractionTypeViewClosed || closed.View.ID != v.View.ID {
		t.Errorf("closed: %+v", closed)
	}
}

// TestTriggersExpire ends a trigger after three seconds of the workspace's clock.
func TestTriggersExpire(t *testing.T) {
	w := newTown(t, slackfake.Options{})
	trigger := triggerOf(t, w.alice.Command(w.lab, "/mydb", ""))
	w.Clock().Advance(3*time.Second + time.Millisecond)
	if _, err := w.api.OpenView(trigger, form("x")); code(err) != "expired_trigger_id" {
		t.Errorf("OpenView = %v", err)
	}
}
