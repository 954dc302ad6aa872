package discordfake_test

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/bot/discord/discordfake"
)

// commands are some of a bot: /mydb with create and status, and one for those who may manage the guild.
func commands() []*discordgo.ApplicationCommand {
	text := discordgo.ApplicationCommandOptionString
	manage := int64(discordgo.PermissionManageGuild)
	return []*discordgo.ApplicationCommand{
		{Name: "mydb", Description: "databases", Options: []*discordgo.ApplicationCommandOption{
			{Type: discordgo.ApplicationCommandOptionSubCommand, Name: "create", Description: "a new one", Options: []*discordgo.ApplicationCommandOption{
				{Type: text, Name: "engine", Description: "which", Required: true, Choices: []*discordgo.ApplicationCommandOptionChoice{{Name: "PostgreSQL", Value: "postgres"}}},
				{Type: text, Name: "name", Description: "of it", Required: true, MaxLength: 40},
				{Type: text, Name: "description", Description: "for others"},
				{Type: discordgo.ApplicationCommandOptionUser, Name: "owner", Description: "whose"},
			}},
			{Type: discordgo.ApplicationCommandOptionSubCommand, Name: "status", Description: "of one", Options: []*discordgo.ApplicationCommandOption{
				{Type: text, Name: "name", Description: "of it", Required: true, Autocomplete: true},
			}},
		}},
		{Name: "mydb-admin", Description: "for admins", DefaultMemberPermissions: &manage},
	}
}

// serving is a guild with a bot that has registered its commands and does what the test says.
func serving(t *testing.T, do func(s *discordgo.Session, i *discordgo.Interaction) error, options ...func(*discordfake.Options)) (f *discordfake.Fake, ada *discordfake.User, lab *discordfake.Channel, s *discordgo.Session) {
	t.Helper()
	f = newFake(t, options...)
	ada, lab = f.AddUser("ada"), f.AddChannel("lab")
	s = newBot(t, f)
	must[[]*discordgo.ApplicationCommand](t)(s.ApplicationCommandBulkOverwrite(f.AppID, f.GuildID, commands()))
	s.AddHandler(func(s *discordgo.Session, i *discordgo.InteractionCreate) {
		if err := do(s, i.Interaction); err != nil {
			t.Errorf("the bot could not answer: %v", err)
		}
	})
	open(t, s)
	return f, ada, lab, s
}

func respond(s *discordgo.Session, i *discordgo.Interaction, kind discordgo.InteractionResponseType, data *discordgo.InteractionResponseData) error {
	return s.InteractionRespond(i, &discordgo.InteractionResponse{Type: kind, Data: data})
}

func button(label, id string) []discordgo.MessageComponent {
	return []discordgo.MessageComponent{discordgo.ActionsRow{Components: []discordgo.MessageComponent{discordgo.Button{Label: label, CustomID: id}}}}
}

func TestCommandAndAnswer(t *testing.T) {
	t.Parallel()
	seen := make(chan *discordgo.Interaction, 1)
	f, ada, lab, _ := serving(t, func(s *discordgo.Session, i *discordgo.Interaction) error {
		seen <- i
		return respond(s, i, discordgo.InteractionResponseChannelMessageWithSource, &discordgo.InteractionResponseData{Content: "done"})
	})
	bob := f.AddUser("bob")
	i := ada.Slash(lab, "mydb", "create", map[string]any{"engine": "postgres", "name": "demo", "owner": bob})
	answer := must[discordfake.Message](t)(i.Answer(patient(t)))
	got := <-seen
	data := got.ApplicationCommandData()
	create := data.Options[0]
	if data.Name != "mydb" || create.Name != "create" || create.GetOption("engine").StringValue() != "postgres" || create.GetOption("name").StringValue() != "demo" {
		t.Errorf("the bot got %+v", data)
	}
	if id := create.GetOption("owner").Value; id != bob.ID || data.Resolved.Users[bob.ID].Username != "bob" || data.Resolved.Members[bob.ID] == nil {
		t.Errorf("the owner is %v in %+v", id, data.Resolved)
	}
	if got.Member.User.ID != ada.ID || got.GuildID != f.GuildID || got.ChannelID != lab.ID || got.AppID != f.AppID || got.Member.Permissions == 0 || got.User != nil {
		t.Errorf("the interaction is %+v", got)
	}
	if made, err := discordgo.SnowflakeTimestamp(got.ID); err != nil || f.Now().Sub(made).Abs() >= time.Millisecond {
		t.Errorf("the interaction is from %s, %v", made, err)
	}
	if answer.Text() != "done" || answer.Author.ID != f.AppID || answer.Type != 20 || answer.Metadata.User.ID != ada.ID {
		t.Errorf("the answer is %+v", answer)
	}
	if r := f.Report(); len(r.Acks) != 1 || len(r.Late) != 0 || len(r.Unanswered) != 0 || len(r.Violations) != 0 || len(r.Registrations) != 1 {
		t.Errorf("the report is %+v", r)
	}
}

// TestCommandsThatTheProgramDoesNotSend are those that a real client refuses.
func TestCommandsThatTheProgramDoesNotSend(t *testing.T) {
	t.Parallel()
	f, ada, lab, _ := serving(t, func(*discordgo.Session, *discordgo.Interaction) error { return errors.New("it should not have come") })
	admin := f.AddUser("root", f.AddRole("admins", discordfake.ManageGuild))
	eve := f.AddUserWith(discordfake.UserSpec{Name: "eve", Stranger: true})
	for name, test := range map[string]struct {
		i    *discordfake.Interaction
		want string
	}{
		"unknown":          {ada.Slash(lab, "other", "", nil), "is not offered"},
		"no subcommand":    {ada.Slash(lab, "mydb", "", nil), "needs a subcommand"},
		"wrong subcommand": {ada.Slash(lab, "mydb", "frob", nil), `no subcommand "frob"`},
		"missing":          {ada.Slash(lab, "mydb", "create", map[string]any{"engine": "postgres"}), `"name" is required`},
		"no choice":        {ada.Slash(lab, "mydb", "create", map[string]any{"engine": "oracle", "name": "x"}), "no choice"},
		"too long":         {ada.Slash(lab, "mydb", "create", map[string]any{"engine": "postgres", "name": strings.Repeat("x", 41)}), "too many"},
		"wrong kind":       {ada.Slash(lab, "mydb", "create", map[string]any{"engine": "postgres", "name": 3}), "wrong kind"},
		"no option":        {ada.Slash(lab, "mydb", "status", map[string]any{"name": "x", "more": "y"}), `no option "more"`},
		"not for ada":      {ada.Slash(lab, "mydb-admin", "", nil), "is not offered"},
		"not in DMs":       {ada.Slash(ada.DM(), "mydb", "status", map[string]any{"name": "x"}), "is not offered"},
		"a stranger":       {eve.Slash(lab, "mydb", "status", map[string]any{"name": "x"}), "does not see"},
		"others' DMs":      {ada.Slash(admin.DM(), "mydb", "status", map[string]any{"name": "x"}), "does not see"},
		"not completed":    {ada.Autocomplete(lab, "mydb", "create", "name", nil), "is not completed"},
	} {
		if err := test.i.Err(); err == nil || !strings.Contains(err.Error(), test.want) || test.i.State() != discordfake.Failed {
			t.Errorf("%s: %v, %s; it should say %q", name, err, test.i.State(), test.want)
		}
	}
	if offered := admin.Commands(lab); len(offered) != 2 || len(ada.Commands(lab)) != 1 {
		t.Errorf("the admin is offered %v", offered)
	}
}

func TestPromisedAnswer(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	f, ada, lab, _ := serving(t, func(s *discordgo.Session, i *discordgo.Interaction) error {
		if err := respond(s, i, discordgo.InteractionResponseDeferredChannelMessageWithSource, &discordgo.InteractionResponseData{Flags: discordgo.MessageFlagsEphemeral}); err != nil {
			return err
		}
		<-goOn
		// The first one takes the place of the promise, and stays ephemeral.
		if _, err := s.FollowupMessageCreate(i, true, &discordgo.WebhookParams{Content: "half"}); err != nil {
			return err
		}
		if _, err := s.FollowupMessageCreate(i, true, &discordgo.WebhookParams{Content: "for all", AllowedMentions: &discordgo.MessageAllowedMentions{}}); err != nil {
			return err
		}
		whole := "whole"
		_, err := s.InteractionResponseEdit(i, &discordgo.WebhookEdit{Content: &whole})
		return err
	})
	bob := f.AddUser("bob")
	i := ada.Slash(lab, "mydb", "status", map[string]any{"name": "demo"})
	if kind := must[int](t)(i.WaitAck(patient(t))); kind != 5 {
		t.Errorf("acknowledged with %d", kind)
	}
	if seen := ada.Sees(lab); len(seen) != 1 || !seen[0].Thinking() || !seen[0].Ephemeral() {
		t.Errorf("ada sees %+v", seen)
	}
	close(goOn)
	whole := must[discordfake.Message](t)(ada.WaitText(patient(t), lab, "whole"))
	if whole.For != ada.ID || whole.Thinking() || whole.Edits != 2 {
		t.Errorf("the answer is %+v", whole)
	}
	if seen := bob.Sees(lab); len(seen) != 1 || seen[0].Text() != "for all" {
		t.Errorf("bob sees %+v", seen)
	}
	if all := i.Messages(); len(all) != 2 || all[0].Content != "whole" || all[1].Content != "for all" {
		t.Errorf("the answers are %+v", all)
	}
}

func TestClick(t *testing.T) {
	t.Parallel()
	f, ada, lab, s := serving(t, func(s *discordgo.Session, i *discordgo.Interaction) error {
		if i.Type == discordgo.InteractionApplicationCommand {
			return respond(s, i, discordgo.InteractionResponseChannelMessageWithSource,
				&discordgo.InteractionResponseData{Content: "sure?", Flags: discordgo.MessageFlagsEphemeral, Components: button("Yes", "yes:1")})
		}
		switch i.MessageComponentData().CustomID {
		case "yes:1":
			return respond(s, i, discordgo.InteractionResponseUpdateMessage, &discordgo.InteractionResponseData{Content: "deleted", Components: []discordgo.MessageComponent{}})
		default:
			if err := s.InteractionRespond(i, &discordgo.InteractionResponse{Type: discordgo.InteractionResponseDeferredMessageUpdate}); err != nil {
				return err
			}
			text := "approved by " + i.Member.User.Username
			_, err := s.InteractionResponseEdit(i, &discordgo.WebhookEdit{Content: &text, Components: &[]discordgo.MessageComponent{}})
			return err
		}
	})
	bob := f.AddUser("bob")
	asked := must[discordfake.Message](t)(ada.Slash(lab, "mydb", "status", map[string]any{"name": "demo"}).Answer(patient(t)))
	if err := bob.Click(asked, "yes:1").Err(); err == nil {
		t.Error("bob could click what only ada sees")
	}
	if err := ada.Click(asked, "no:1").Err(); err == nil || !strings.Contains(err.Error(), `no "no:1"`) {
		t.Errorf("a button that is not there says %v", err)
	}
	answer := must[discordfake.Message](t)(ada.Click(asked, asked.Button("Yes").CustomID).Answer(patient(t)))
	if answer.ID != asked.ID || answer.Content != "deleted" || len(answer.Clickable()) != 0 {
		t.Errorf("after the click: %+v", answer)
	}
	sent := must[*discordgo.Message](t)(s.ChannelMessageSendComplex(lab.ID, &discordgo.MessageSend{Content: "may ada?", Components: button("Approve", "approve:7")}))
	request := must[discordfake.Message](t)(bob.WaitText(patient(t), lab, "[Approve]"))
	answer = must[discordfake.Message](t)(bob.Click(request, "approve:7").Answer(patient(t)))
	if answer.ID != sent.ID || answer.Content != "approved by bob" {
		t.Errorf("after the approval: %+v", answer)
	}
	// A late click, on the button as it was, still reaches the bot.
	late := ada.Click(request, "approve:7")
	if answer = must[discordfake.Message](t)(late.Answer(patient(t))); answer.Content != "approved by ada" || late.Acked() != 6 {
		t.Errorf("after the late click: %q, %d", answer.Content, late.Acked())
	}
	if err := s.ChannelMessageDelete(lab.ID, sent.ID); err != nil {
		t.Fatal(err)
	}
	if err := ada.Click(request, "approve:7").Err(); err == nil || !strings.Contains(err.Error(), "not there any more") {
		t.Errorf("a click on a message that is gone says %v", err)
	}
}

func TestForm(t *testing.T) {
	t.Parallel()
	f, ada, lab, _ := serving(t, func(s *discordgo.Session, i *discordgo.Interaction) error {
		if i.Type != discordgo.InteractionModalSubmit {
			input := discordgo.TextInput{CustomID: "reason", Label: "Reason", Style: discordgo.TextInputShort, Value: "none", Required: true, MaxLength: 10}
			return respond(s, i, discordgo.InteractionResponseModal, &discordgo.InteractionResponseData{
				CustomID: "deny:1", Title: "Deny", Components: []discordgo.MessageComponent{discordgo.ActionsRow{Components: []discordgo.MessageComponent{input}}},
			})
		}
		data := i.ModalSubmitData()
		value := data.Components[0].(*discordgo.ActionsRow).Components[0].(*discordgo.TextInput).Value
		return respond(s, i, discordgo.InteractionResponseChannelMessageWithSource, &discordgo.InteractionResponseData{Content: data.CustomID + " " + value})
	})
	form := must[*discordfake.Modal](t)(ada.Slash(lab, "mydb", "status", map[string]any{"name": "demo"}).WaitModal(patient(t)))
	if form.Title != "Deny" || len(form.Inputs) != 1 || ada.Modal() != form || f.AddUser("bob").Modal() != nil {
		t.Errorf("the form is %+v", form)
	}
	for name, values := range map[string]map[string]string{
		"must be filled in": {"reason": ""}, "takes 10 characters": {"reason": "much too long"}, `no "other"`: {"other": "x"},
	} {
		if err := ada.Submit(form, values).Err(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v says %v", values, err)
		}
	}
	answer := must[discordfake.Message](t)(ada.Submit(form, map[string]string{"reason": "too old"}).Answer(patient(t)))
	if answer.Content != "deny:1 too old" || ada.Modal() != nil {
		t.Errorf("the answer is %q", answer.Content)
	}
	if err := ada.Submit(form, nil).Err(); err == nil || !strings.Contains(err.Error(), "not open") {
		t.Errorf("sent twice: %v", err)
	}
	again := must[*discordfake.Modal](t)(ada.Slash(lab, "mydb", "status", map[string]any{"name": "demo"}).WaitModal(patient(t)))
	if answer := must[discordfake.Message](t)(ada.Submit(again, nil).Answer(patient(t))); answer.Content != "deny:1 none" {
		t.Errorf("as it was opened: %q", answer.Content)
	}
	ada.Slash(lab, "mydb", "status", map[string]any{"name": "demo"})
	if err := f.Wait(patient(t), "a form", func() bool { return ada.Modal() != nil }); err != nil {
		t.Fatal(err)
	}
	if ada.Dismiss(); ada.Modal() != nil {
		t.Error("the form is still open")
	}
}

func TestAutocompletion(t *testing.T) {
	t.Parallel()
	_, ada, lab, _ := serving(t, func(s *discordgo.Session, i *discordgo.Interaction) error {
		o := i.ApplicationCommandData().Options[0].GetOption("name")
		if !o.Focused {
			return errors.New("nothing is focused")
		}
		return respond(s, i, discordgo.InteractionApplicationCommandAutocompleteResult, &discordgo.InteractionResponseData{
			Choices: []*discordgo.ApplicationCommandOptionChoice{{Name: "demo (ready)", Value: o.StringValue() + "mo"}},
		})
	})
	choices := must[[]discordfake.Choice](t)(ada.Autocomplete(lab, "mydb", "status", "name", map[string]any{"name": "de"}).Choices(patient(t)))
	if len(choices) != 1 || choices[0].Name != "demo (ready)" || choices[0].Value != "demo" {
		t.Errorf("offered are %+v", choices)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	f, ada, lab, s := serving(t, func(s *discordgo.Session, i *discordgo.Interaction) error {
		return respond(s, i, discordgo.InteractionResponseChannelMessageWithSource,
			&discordgo.InteractionResponseData{Content: "chosen: " + strings.Join(i.MessageComponentData().Values, " ")})
	})
	must[*discordgo.Message](t)(s.ChannelMessageSendComplex(lab.ID, &discordgo.MessageSend{Content: "choose", Components: []discordgo.MessageComponent{
		discordgo.ActionsRow{Components: []discordgo.MessageComponent{
			discordgo.SelectMenu{CustomID: "size", Options: []discordgo.SelectMenuOption{{Label: "Small", Value: "small"}, {Label: "Large", Value: "large"}}},
		}},
		discordgo.ActionsRow{Components: []discordgo.MessageComponent{discordgo.SelectMenu{MenuType: discordgo.UserSelectMenu, CustomID: "who"}}},
	}}))
	m := must[discordfake.Message](t)(ada.WaitText(patient(t), lab, "choose"))
	if answer := must[discordfake.Message](t)(ada.Select(m, "size", "large").Answer(patient(t))); answer.Content != "chosen: large" {
		t.Errorf("the answer is %q", answer.Content)
	}
	bob := f.AddUser("bob")
	if answer := must[discordfake.Message](t)(ada.Select(m, "who", bob.ID).Answer(patient(t))); answer.Content != "chosen: "+bob.ID {
		t.Errorf("the answer is %q", answer.Content)
	}
	for _, i := range []*discordfake.Interaction{ada.Select(m, "size", "huge"), ada.Select(m, "size"), ada.Select(m, "size", "small", "large"), ada.Click(m, "size")} {
		if i.Err() == nil {
			t.Error("a client would not have sent that")
		}
	}
}

// TestFirstAnswers are those that come too late, twice, or do not fit.
func TestFirstAnswers(t *testing.T) {
	t.Parallel()
	got := make(chan *discordgo.Interaction, 1)
	f, ada, lab, s := serving(t, func(_ *discordgo.Session, i *discordgo.Interaction) error { got <- i; return nil })
	code := func(err error) int {
		var rest *discordgo.RESTError
		if !errors.As(err, &rest) || rest.Message == nil {
			t.Errorf("no refusal: %v", err)
			return 0
		}
		return rest.Message.Code
	}
	answer := func(i *discordgo.Interaction, kind discordgo.InteractionResponseType) error {
		return respond(s, i, kind, &discordgo.InteractionResponseData{Content: "x"})
	}

	mine := ada.Slash(lab, "mydb", "status", map[string]any{"name": "a"})
	i := <-got
	f.Advance(3100 * time.Millisecond)
	if c := code(answer(i, 4)); c != 10062 {
		t.Errorf("too late: %d", c)
	}
	if _, err := mine.Answer(patient(t)); err == nil || !strings.Contains(err.Error(), "did not respond") {
		t.Errorf("the user reads %v", err)
	}

	ada.Slash(lab, "mydb", "status", map[string]any{"name": "b"})
	i = <-got
	if c := code(answer(i, 7)); c != 50035 {
		t.Errorf("an update without a message: %d", c)
	}
	text := "early"
	if _, err := s.InteractionResponseEdit(i, &discordgo.WebhookEdit{Content: &text}); code(err) != 10015 {
		t.Errorf("before the first answer: %v", err)
	}
	forged := *i
	forged.Token = "forged"
	if c := code(answer(&forged, 4)); c != 10062 {
		t.Errorf("a forged token: %d", c)
	}
	if err := answer(i, 4); err != nil {
		t.Fatal(err)
	}
	if c := code(answer(i, 4)); c != 40060 {
		t.Errorf("twice: %d", c)
	}

	f.Advance(14 * time.Minute)
	if _, err := s.InteractionResponseEdit(i, &discordgo.WebhookEdit{Content: &text}); err != nil {
		t.Errorf("after 14 minutes: %v", err)
	}
	f.Advance(2 * time.Minute)
	if _, err := s.InteractionResponseEdit(i, &discordgo.WebhookEdit{Content: &text}); code(err) != 50027 {
		t.Errorf("after 16 minutes: %v", err)
	}
	if r := f.Report(); len(r.Late) != 3 || len(r.Unanswered) != 1 || r.Interactions != 2 {
		t.Errorf("the report is %+v", r)
	}
}

func TestTamperedInteraction(t *testing.T) {
	t.Parallel()
	got := make(chan *discordgo.Interaction, 1)
	f, ada, lab, _ := serving(t, func(_ *discordgo.Session, i *discordgo.Interaction) error { got <- i; return nil })
	f.Tamper(func(i map[string]any) { i["guild_id"] = "1" })
	i := ada.Slash(lab, "mydb", "status", map[string]any{"name": "a"})
	if (<-got).GuildID != "1" || !bytes.Contains(i.Body(), []byte(`"guild_id":"1"`)) {
		t.Errorf("the bot got %s", i.Body())
	}
	ada.Slash(lab, "mydb", "status", map[string]any{"name": "a"})
	if (<-got).GuildID != f.GuildID {
		t.Error("the second one was tampered with, too")
	}
}

func TestDirectMessagesAndFiles(t *testing.T) {
	t.Parallel()
	f, ada, _, s := serving(t, func(*discordgo.Session, *discordgo.Interaction) error { return nil })
	dm := must[*discordgo.Channel](t)(s.UserChannelCreate(ada.ID))
	if again := must[*discordgo.Channel](t)(s.UserChannelCreate(ada.ID)); again.ID != dm.ID || dm.Type != discordgo.ChannelTypeDM || dm.Recipients[0].ID != ada.ID {
		t.Errorf("the direct messages are %+v and %+v", dm, again)
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 3, 2))); err != nil {
		t.Fatal(err)
	}
	must[*discordgo.Message](t)(s.ChannelMessageSendComplex(dm.ID, &discordgo.MessageSend{
		Content: "your chart", Embeds: []*discordgo.MessageEmbed{{Title: "Size", Image: &discordgo.MessageEmbedImage{URL: "attachment://size.png"}}},
		Files: []*discordgo.File{{Name: "size.png", ContentType: "image/png", Reader: bytes.NewReader(picture.Bytes())}},
	}))
	m := must[discordfake.Message](t)(ada.WaitText(patient(t), ada.DM(), "your chart"))
	if len(m.Attachments) != 1 || m.Attachments[0].ContentType != "image/png" || !bytes.Equal(m.Attachments[0].Data, picture.Bytes()) || m.Embeds[0].Title != "Size" {
		t.Fatalf("ada got %+v", m)
	}
	response, err := http.Get(m.Attachments[0].URL) //nolint:noctx // of this process
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if data, err := io.ReadAll(response.Body); err != nil || !bytes.Equal(data, picture.Bytes()) || response.Header.Get("Content-Type") != "image/png" {
		t.Errorf("the file has %d bytes, %v", len(data), err)
	}
	ada.CloseDMs(true)
	var rest *discordgo.RESTError
	if _, err := s.ChannelMessageSend(dm.ID, "psst"); !errors.As(err, &rest) || rest.Message.Code != 50007 {
		t.Errorf("closed direct messages say %v", err)
	}
	if names := channelNames(ada); !slices.Equal(names, []string{"lab", "@ada"}) {
		t.Errorf("ada sees %q", names)
	}
	if f.AddUser("bob").Sees(ada.DM()) != nil {
		t.Error("bob sees ada's direct messages")
	}
}

func channelNames(u *discordfake.User) (names []string) {
	for _, c := range u.Channels() {
		names = append(names, c.Name)
	}
	return names
}
