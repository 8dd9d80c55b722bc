package module_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/pam/module"
)

// PAM's own numbers, from <security/_pam_types.h>.
const (
	pamSuccess         = 0
	pamPermDenied      = 6
	pamAuthErr         = 7
	pamAuthinfoUnavail = 9
	pamUserUnknown     = 10
	pamMaxtries        = 11
	pamNewAuthtokReqd  = 12
	pamAcctExpired     = 13
	pamConvErr         = 19
	pamAuthtokErr      = 20
	pamRecoveryErr     = 21
	pamIgnore          = 25
)

// Promise 1, guess-names (no PAM_MAXTRIES).
func TestOnlyAnExplicitYesIsSuccess(t *testing.T) {
	table := map[uint32]int{
		0: pamAuthinfoUnavail, 1: pamSuccess, 2: pamAuthErr, 3: pamUserUnknown, 4: pamAcctExpired,
		5: pamPermDenied, 6: pamMaxtries, 7: pamAuthinfoUnavail, 8: pamIgnore, 9: pamAuthtokErr,
		10: pamRecoveryErr, 11: pamConvErr,
	}
	for op := identity.OpAuthenticate; op <= identity.OpChangePassword; op++ {
		for _, code := range []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 25, 255, 256, 257, 1 << 16, 1<<24 + 1, 1<<32 - 1} {
			want, known := table[code]
			switch {
			case !known:
				want = pamAuthinfoUnavail
			case code == 7 && op == identity.OpAccount:
				want = pamNewAuthtokReqd
			case code == 6 && op == identity.OpAuthenticate:
				want = pamAuthErr // greeters and sshd stop at the other
			}
			if got := module.PAMCode(op, code); got != want {
				t.Errorf("operation %d, code %d: PAM code %d, want %d", op, code, got, want)
			}
		}
	}
}

func TestEveryVerdictReachesTheHost(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		var next atomic.Uint32
		r.serve(decide(func(context.Context, identity.Login, identity.Conversation) identity.Verdict {
			return identity.Verdict{Code: identity.Code(next.Load())}
		}))
		for code := identity.Unavailable; code <= identity.ConversationFailed; code++ {
			if code == identity.NotOurs {
				continue // a stack of ours alone, see below
			}
			next.Store(uint32(code))
			want(t, r.run(nil, "alice", "acct"), fmt.Sprintf("acct=%d", module.PAMCode(identity.OpAccount, uint32(code))))
		}
		next.Store(uint32(identity.NotOurs))
		want(t, r.run(nil, "alice", "auth", "acct"), "auth=6", "acct=6")
	})
}

func TestALocalAccountIsLeftToOthersWithoutADaemon(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		// Nothing listens, and a stack of ours alone lets nobody in.
		steps := []string{"auth", "acct", "open", "setcred", "close", "chauthtok"}
		for _, user := range []string{"root", "local"} {
			want(t, r.run(nil, user, steps...), "auth=6", "acct=6", "open=6", "setcred=6", "close=6", "chauthtok=6")
		}
	})
}

// Promise pam-silent.
func TestThePersonIsAskedAndTold(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.serve(decide(func(ctx context.Context, l identity.Login, c identity.Conversation) identity.Verdict {
			p, err := c.Ask(ctx, identity.AskSecret, identity.PasswordPrompt)
			if err != nil {
				return identity.Verdict{Code: identity.ConversationFailed}
			}
			_ = c.Tell(ctx, identity.TellInfo, "Offline.")
			_ = c.Tell(ctx, identity.TellError, "100% sure?")
			code, err := c.Ask(ctx, identity.AskText, "Code: ")
			if err != nil || string(p.Reveal()) != "correct horse" || string(code.Reveal()) != "123456" {
				return identity.Verdict{Code: identity.Denied}
			}
			return identity.Verdict{Code: identity.Granted}
		}))
		dialogue := []string{"secret: Password: ", "info: Offline.", "error: 100% sure?", "text: Code: "}
		want(t, r.run([]string{"correct horse", "123456"}, "alice", "auth"), append(dialogue, "auth=0")...)
		want(t, r.run([]string{"correct horse", "123457"}, "alice", "auth"), append(dialogue, "auth=7")...)
		want(t, r.run(nil, "alice", "auth"), "secret: Password: ", "auth=19")
		silent := []string{dialogue[0], dialogue[2], dialogue[3], "auth-silent=0"}
		want(t, r.run([]string{"correct horse", "123456"}, "alice", "auth-silent"), silent...)
	})
}
