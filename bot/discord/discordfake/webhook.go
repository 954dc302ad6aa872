package discordfake

import "slices"

// answering is the interaction that a call follows. Its token is good for 15 minutes, and for nothing before the first answer.
func (f *Fake) answering(r *request) (*Interaction, *apiError) {
	i := f.byToken[r.PathValue("token")]
	switch {
	case r.PathValue("app") != f.AppID:
		return nil, errUnknownWebhook
	case i == nil, f.now().Sub(i.At) > tokenLife:
		return nil, errWebhookToken
	case i.ack == 0 || i.ack == answerChoices:
		return nil, errUnknownWebhook
	}
	return i, nil
}

// answered is the message of the interaction that a call is about.
func (f *Fake) answered(r *request) (*Interaction, *Message, *apiError) {
	i, err := f.answering(r)
	if err != nil {
		return nil, nil, err
	}
	id := r.PathValue("message")
	for _, m := range append([]*Message{i.original}, i.follows...) {
		if m != nil && (m.ID == id || id == "@original" && m == i.original) && i.Channel.message(m.ID) == m {
			return i, m, nil
		}
	}
	return nil, nil, errUnknownMessage
}

// followUp writes another message. The first one after a promise is the promised one, and seen by whom the promise was.
func followUp(f *Fake, r *request) (any, *apiError) {
	i, err := f.answering(r)
	if err != nil {
		return nil, err
	}
	d, err := r.draft()
	if err != nil {
		return nil, err
	}
	if i.original != nil && i.original.Thinking() {
		if err := f.rewrite(i.Channel, i.original, d); err != nil {
			return nil, err
		}
		return i.original.payload(), nil
	}
	m, err := f.respond(i, d, false)
	if err != nil {
		return nil, err
	}
	i.follows = append(i.follows, m)
	return m.payload(), nil
}

func getAnswer(f *Fake, r *request) (any, *apiError) {
	_, m, err := f.answered(r)
	if err != nil {
		return nil, err
	}
	return m.payload(), nil
}

func editAnswer(f *Fake, r *request) (any, *apiError) {
	i, m, err := f.answered(r)
	if err != nil {
		return nil, err
	}
	d, err := r.draft()
	if err != nil {
		return nil, err
	}
	if err := f.rewrite(i.Channel, m, d); err != nil {
		return nil, err
	}
	return m.payload(), nil
}

func deleteAnswer(f *Fake, r *request) (any, *apiError) {
	i, m, err := f.answered(r)
	if err != nil {
		return nil, err
	}
	i.follows = slices.DeleteFunc(i.follows, func(x *Message) bool { return x == m })
	if i.original == m {
		i.original = nil
	}
	f.remove(i.Channel, m)
	return nil, nil
}
