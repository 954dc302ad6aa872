package discordfake

func getSelf(f *Fake, _ *request) (any, *apiError) {
	o := object(f.Bot.author())
	o["verified"], o["mfa_enabled"] = true, false
	return o, nil
}

func getUser(f *Fake, r *request) (any, *apiError) {
	u := f.user(r.PathValue("user"))
	if u == nil {
		return nil, errUnknownUser
	}
	return u.author(), nil
}

func getApplication(f *Fake, _ *request) (any, *apiError) {
	return map[string]any{
		"id": f.AppID, "name": f.Bot.display, "description": "", "icon": "", "bot_public": false, "bot_require_code_grant": false,
		"verify_key": f.PublicKey(), "interactions_endpoint_url": f.postTo, "flags": 0, "bot": f.Bot.author(),
	}, nil
}

// getGuild answers for the one guild there is: of others, the bot is no member.
func getGuild(f *Fake, r *request) (any, *apiError) {
	if r.PathValue("guild") != f.GuildID {
		return nil, errUnknownGuild
	}
	return f.guildPayload(), nil
}

func getMember(f *Fake, r *request) (any, *apiError) {
	u := f.user(r.PathValue("user"))
	switch {
	case r.PathValue("guild") != f.GuildID:
		return nil, errUnknownGuild
	case u == nil:
		return nil, errUnknownUser
	case !u.member:
		return nil, errUnknownMember
	}
	return u.memberPayload(), nil
}

// openDM opens the direct messages with a user. That the user refuses them shows only when one is sent.
func openDM(f *Fake, r *request) (any, *apiError) {
	var body struct {
		RecipientID string `json:"recipient_id"`
	}
	if err := r.into(&body); err != nil {
		return nil, err
	}
	u := f.user(body.RecipientID)
	switch {
	case u == nil:
		return nil, errRecipient
	case u.bot:
		return nil, errNoDMs
	}
	return u.dm().payload(), nil
}
