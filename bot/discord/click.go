package discord

import (
	"context"

	"github.com/mydb-project/mydb/core"
)

// click is a button that somebody pressed.
func (e event) click(ctx context.Context) {
	in := e.inbound(core.InboundClick)
	in.Action, in.Value = readID(e.MessageComponentData().CustomID)
	switch in.Action {
	case actionAgain:
		e.again(ctx, in.Value)
		return
	case actionReveal:
		e.reveal(ctx, in)
		return
	case actionLink:
		e.revealLink(ctx, in)
		return
	}
	if f, opens := e.desk.Opens(in); opens {
		e.open(ctx, f, nil)
		return
	}
	e.accept(ctx, in)
}
