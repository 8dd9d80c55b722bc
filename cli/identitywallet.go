package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/msteinert/pam/v2"

	"github.com/sallyport-auth/sallyport/cli/command"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity/wallet"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/terminal"
)

// usedWallet is one that somebody logs in with. Its key stays where it is: this command shows
// what is to be signed, and takes the signature.
type usedWallet struct {
	address wallet.Address
	chain   uint64
}

var errNotSigned = errors.New("that is not a signature of this message by this wallet. The text must be signed as it stands, without a line break at its end, with personal_sign (EIP-191)")

// wallet declares the options of a wallet. What it returns is nil where none was named.
func (in *invocation) wallet() func() (*usedWallet, error) {
	address := in.String("wallet", "", "`address` of the wallet to log in with: the message to sign is shown, and the signature asked for")
	chain := in.Uint64("chain", 0, "`id` of the chain that the message is for, with --wallet; left out: 1")
	return func() (*usedWallet, error) {
		w := usedWallet{chain: max(*chain, 1)}
		if *address == "" {
			if *chain != 0 {
				return nil, command.Usage("--chain goes with --wallet")
			}
			return nil, nil
		}
		var err error
		if w.address, err = wallet.ParseAddress(*address); err != nil {
			return nil, command.Usage("--wallet: %w", err)
		}
		return &w, nil
	}
}

// byWallet logs in with a message that the wallet signs.
func (x *exchanging) byWallet(t *asker, k keptToken, w usedWallet, now time.Time) ([]byte, error) {
	text := wallet.Login{Realm: k.Realm, Chain: w.chain, Device: k.Device}.Message(w.address, now).String()
	signature, err := t.signature(text)
	if err != nil {
		return nil, err
	}
	signed := append([]byte(text), signature...)
	if _, _, err := wallet.Read(signed); err != nil {
		return nil, errNotSigned
	}
	step, err := control.One[report.IdentityStep](x.ctx, x.daemon, report.VerbIdentityWallet,
		report.IdentityWallet{Device: k.Device, Address: w.address.String(), Signed: signed})
	if err == nil && len(step.Token) == 0 {
		err = errNoToken
	}
	return step.Token, err
}

// signature shows a text and reads its signature. A program that answers is shown the text
// and nothing else.
func (t *asker) signature(text string) ([]byte, error) {
	before, prompt := "", ""
	if terminal.Is(t.in) {
		before = fmt.Sprintf("Have the wallet sign this message within %d minutes, with personal_sign:\n\n", wallet.Lasts/time.Minute)
		prompt = "\nSignature (0x and 130 hexadecimal digits): "
	}
	fmt.Fprint(t.out, before, text, "\n")
	typed, err := t.respond(pam.PromptEchoOn, prompt)
	if err != nil {
		return nil, err
	}
	signature, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(typed), "0x"))
	if err != nil || len(signature) != wallet.SignatureLen {
		return nil, fmt.Errorf("no signature was given: it is 0x and %d hexadecimal digits; nothing was done", 2*wallet.SignatureLen)
	}
	return signature, nil
}
