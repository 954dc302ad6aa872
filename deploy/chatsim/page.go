package chatsim

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"time"
)

// space is a workspace as the page uses it: of Slack, or of Discord. People and rooms are named by their ids. Errors of what people do are
// sentences that the page shows, as the service's own program would.
type space interface {
	// Kind is the first part of the page's path.
	Kind() string
	Title() string
	People() []member
	Rooms(person string) []room
	// Messages are what the person sees in a room, or in a thread of it, oldest first.
	Messages(person, room, thread string) []message
	// Window is the form or the window that is open before the person, or nil.
	Window(person string) *window
	// Commands are beginnings of what can be typed here.
	Commands(person, room string) []string
	Say(ctx context.Context, person, room, thread, text string) error
	Press(ctx context.Context, person, room string, p press) error
	Submit(ctx context.Context, person, window string, values map[string]string) error
	Dismiss(person, window string)
	// Picture is a file of a message that the person sees.
	Picture(person, room, id string) (kind string, data []byte, ok bool)
	// Seen is a number that differs when anything has changed. Next returns when it does, or ctx ends, and gives it.
	Seen() uint64
	Next(ctx context.Context, seen uint64) uint64
}

// member is somebody that one can be.
type member struct{ ID, Login, Name, About string }

// room is a channel, or the direct messages with MyDB.
type room struct {
	ID, Name string
	Direct   bool
	Private  bool
}

// message is one as it is drawn. Where it stands in the service, and as whose, is the service's business.
type message struct {
	ID       string
	Author   string
	Bot      bool // MyDB itself
	At       time.Time
	Private  bool // only the person sees it
	Edited   bool
	Thinking bool // it is promised, and has not come yet
	Replies  int
	Pieces   []piece
}

// Initial stands in the place of a picture of the author.
func (m message) Initial() string { return string([]rune(m.Author + "?")[:1]) }

// piece is a part of a message or of a window. Exactly one of its fields is set.
type piece struct {
	Text     template.HTML
	Small    template.HTML
	Head     string
	Line     bool
	Facts    []fact
	Controls []control
	Picture  *picture
	Card     *card
	Input    *input
}

type fact struct{ Name, Value template.HTML }

// card is a framed part of a message, with a colour at its side.
type card struct {
	Colour string // #rrggbb
	Title  template.HTML
	Pieces []piece
	Foot   string
}

type picture struct{ ID, Alt string }

// control is a button, a link that looks like one, or a list to choose from.
type control struct {
	Block, Action string // its name
	Label, Style  string // style: primary, danger or none
	URL           string
	Off           bool
	Options       []option
}

type option struct {
	Value, Label string
	Chosen       bool
}

// input is something to fill in.
type input struct {
	Name, Label, Hint, Example, Value, Trouble string
	Kind                                       string // text, long, number, email, date, time, select, radio or checks
	Options                                    []option
	Needed                                     bool
	Most                                       int
}

// window is a form, or something that is shown to the person alone.
type window struct {
	ID, Title, Submit, Close, Trouble string
	Version                           string // differs when the window was opened or filled anew
	Pieces                            []piece
}

// press is what somebody does with a control.
type press struct{ Message, Window, Block, Action, Value string }

// view is what the page's template is given.
type view struct {
	Kind, Title string
	Spaces      []space
	Me          member
	People      []member
	Rooms       []room
	Room        room
	Messages    []message
	Thread      string
	Replies     []message
	Window      *window
	Commands    []string
	Trouble     string
	Typed       string // what could not be said
	Seen        uint64
	At          string // the path of person and room
}

var errNotThere = errors.New("That is not there any more. Load the page again.") //nolint:staticcheck,revive // a sentence for the page

// look makes a view of a room, or of the first one where none is named.
func (s *server) look(sp space, person, where, thread string) (view, error) {
	v := view{Kind: sp.Kind(), Title: sp.Title(), Spaces: s.spaces, People: sp.People(), Thread: thread}
	for _, m := range v.People {
		if m.ID == person {
			v.Me = m
		}
	}
	if v.Me.ID == "" {
		return v, errNotThere
	}
	v.Seen = sp.Seen()
	v.Rooms = sp.Rooms(person)
	for _, r := range v.Rooms {
		if r.ID == where {
			v.Room = r
		}
	}
	if v.Room.ID == "" {
		return v, errNotThere
	}
	v.At = fmt.Sprintf("/%s/%s/%s", v.Kind, v.Me.ID, v.Room.ID)
	v.Messages, v.Window, v.Commands = sp.Messages(person, where, ""), sp.Window(person), sp.Commands(person, where)
	if thread != "" {
		v.Replies = sp.Messages(person, where, thread)
	}
	return v, nil
}
