package slackfake

import "slices"

// Click clicks a button of a message. The message may be an old copy: who looks at a channel can click what was just taken away.
func (u *User) Click(m Message, actionID string) *Delivery { return u.Choose(m, "", actionID, "") }

// Choose chooses from a menu of a message, by value or by what stands there, or fills in one of its inputs. blockID may be empty.
func (u *User) Choose(m Message, blockID, actionID, choice string) *Delivery {
	f := u.fake
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.channel(m.Channel)
	if c == nil {
		return impossible(Interaction, "the message is in no channel")
	}
	if err := u.canAct(c); err != nil {
		return impossible(Interaction, "%w", err)
	}
	if m.EphemeralTo != "" && m.EphemeralTo != u.id {
		return impossible(Interaction, "%s does not see the message", u.profile.Name)
	}
	block, element, ok := find(decoded(m.RawBlocks), blockID, actionID)
	if !ok {
		return impossible(Interaction, "the message has no %q: %v", actionID, m.Buttons())
	}
	action, err := f.action(block, element, choice)
	if err != nil {
		return impossible(Interaction, "%w", err)
	}
	now := c.message(m.TS)
	if now == nil {
		now = &m // deleted meanwhile
	}
	keep(now.state, block, element, action)
	payload := u.interaction("block_actions", nil)
	container := object{"type": "message", "message_ts": m.TS, "channel_id": c.id, "is_ephemeral": m.EphemeralTo != ""}
	if m.ThreadTS != "" {
		container["thread_ts"] = m.ThreadTS
	}
	payload["container"], payload["actions"] = container, []object{action}
	payload["channel"] = object{"id": c.id, "name": c.commandName()}
	payload["state"] = object{"values": now.state}
	payload["response_url"] = f.responseURL(u, c, now)
	if m.EphemeralTo == "" { // Slack does not say what an ephemeral message was
		payload["message"] = now.describe(f, true)
	}
	return f.deliver(Interaction, payload, clickAnswered(c, u))
}

// ClickIn clicks a button of a modal, or chooses from an element whose choice is told at once.
func (u *User) ClickIn(v View, actionID, choice string) *Delivery {
	f := u.fake
	f.mu.Lock()
	defer f.mu.Unlock()
	open, err := u.top(v)
	if err != nil {
		return impossible(Interaction, "%w", err)
	}
	block, element, ok := find(open.blocks, "", actionID)
	if !ok || block["type"] == "input" && block["dispatch_action"] != true {
		return impossible(Interaction, "the view has nothing to click of the name %q", actionID)
	}
	action, err := f.action(block, element, choice)
	if err != nil {
		return impossible(Interaction, "%w", err)
	}
	keep(open.state, block, element, action)
	payload := u.interaction("block_actions", open)
	payload["container"], payload["actions"] = object{"type": "view", "view_id": open.id}, []object{action}
	return f.deliver(Interaction, payload, func(r Result) {
		if !r.Acked {
			open.trouble = "We had some trouble connecting. Try again?"
			f.touch()
		}
	})
}

// interaction is what all payloads of interactions have: https://docs.slack.dev/reference/interaction-payloads
func (u *User) interaction(kind string, in *view) object {
	f := u.fake
	domain := defaultDomain
	if u.profile.TeamID != f.o.Team {
		domain = "elsewhere"
	}
	o := object{
		"type": kind, "token": verification, "api_app_id": AppID, "trigger_id": f.trigger(u, in), "enterprise": nil, "is_enterprise_install": false,
		"team": object{"id": u.profile.TeamID, "domain": domain}, // of the person, in shared channels
		"user": object{"id": u.id, "username": u.profile.Name, "name": u.profile.Name, "team_id": u.profile.TeamID},
	}
	if in != nil {
		o["view"] = in.describe()
	}
	return o
}

// action is one entry of a payload's actions.
func (f *Fake) action(block, element object, choice string) (object, error) {
	a := object{"type": element["type"], "action_id": element["action_id"], "block_id": block["block_id"], "action_ts": f.ts()}
	switch element["type"] {
	case "button":
		for _, name := range []string{"text", "value", "style", "url"} {
			if element[name] != nil {
				a[name] = element[name]
			}
		}
	case "overflow":
		chosen, err := pick(element, choice)
		if err != nil {
			return nil, err
		}
		a["selected_option"] = chosen
	default:
		value, err := f.fill(element, choice)
		if err != nil {
			return nil, err
		}
		for name, v := range value {
			a[name] = v
		}
	}
	return a, nil
}

// keep remembers in the state what was chosen.
func keep(s state, block, element, action object) {
	fields := s[block["block_id"].(string)]
	id := element["action_id"].(string)
	if fields == nil || fields[id] == nil {
		return // a button
	}
	value := object{}
	for name, v := range action {
		if !slices.Contains([]string{"action_id", "block_id", "action_ts"}, name) {
			value[name] = v
		}
	}
	fields[id] = value
}
