package cli_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/cli"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/wallet"
	"github.com/sallyport-auth/sallyport/identity/wallet/wallettest"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/wire"
)

// taker is a daemon that takes a login by wallet as the server of that realm would.
type taker struct {
	login wallet.Login
	heard *report.IdentityWallet
	token []byte
}

func (k *taker) Handle(_ context.Context, _ identity.Peer, verb string, args []byte, emit func(any) error) error {
	if verb == report.VerbWhoami {
		return emit(report.Whoami{Realm: "example.org", Account: report.Account{Name: "ada"}})
	}
	k.heard = &report.IdentityWallet{}
	if err := json.Unmarshal(args, k.heard); err != nil {
		return err
	}
	m, by, err := wallet.Read(k.heard.Signed)
	if err == nil && by.String() != k.heard.Address {
		err = wallet.ErrSignature
	}
	if err == nil {
		err = k.login.Check(m, time.Now())
	}
	if err != nil {
		return err
	}
	return emit(report.IdentityStep{Token: k.token})
}

// run is the command, and a program that answers what is to be signed.
func (k *taker) run(t *testing.T, sign func(text string) string, words ...string) (int, string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "control.sock")
	l, err := wire.Listen(socket, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- (&control.Server{Operator: k, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l)
	}()
	in, answers, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	screen, says := io.Pipe()
	said := make(chan string, 1)
	go func() {
		defer answers.Close()
		lines, text := bufio.NewScanner(screen), ""
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "Request ID:") && !strings.HasPrefix(lines.Text(), "sallyport:") {
			text += lines.Text() + "\n"
		}
		text += lines.Text()
		_, _ = io.WriteString(answers, sign(text)+"\n")
		for lines.Scan() {
			text += "\n" + lines.Text()
		}
		said <- text
	}()
	app := &cli.App{Stdin: in, Stdout: says, Stderr: says, Version: "1", Now: time.Now}
	code := app.Run(t.Context(), append(append([]string{"identity", "login"}, words...), "--socket", socket))
	_ = says.Close()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return code, <-said
}

// Promise wallet-client.
func TestAWalletSignsWhatIsShownAndLogsIn(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	w, another := wallettest.New(t), wallettest.New(t)
	signs := func(by *wallettest.Wallet) func(string) string {
		return func(text string) string { return "0x" + hex.EncodeToString(by.Sign(text)) }
	}
	for what, c := range map[string]struct {
		sign    func(string) string
		chain   uint64
		token   string
		words   []string
		code    int
		says    string
		refused bool // before the daemon hears of it
	}{
		"signed":             {sign: signs(w), says: "Logged in as ada on the device my phone."},
		"without 0x":         {sign: func(text string) string { return " " + signs(w)(text)[2:] + " " }, says: "Logged in as ada"},
		"another chain":      {sign: signs(w), chain: 137, words: []string{"--chain", "137"}, says: "Logged in as ada"},
		"the realm's chain":  {sign: signs(w), chain: 137, code: 70, says: "its Chain ID is 1, and this realm's is 137"},
		"no token":           {sign: signs(w), token: "none", code: 70, says: "the server gave no token"},
		"another's":          {sign: signs(another), code: 1, says: "not a signature of this message by this wallet", refused: true},
		"of another text":    {sign: func(text string) string { return signs(w)(text + "\n") }, code: 1, says: "not a signature of this message by this wallet", refused: true},
		"nothing":            {sign: func(string) string { return "" }, code: 70, says: "no signature was given", refused: true},
		"half a signature":   {sign: func(text string) string { return signs(w)(text)[:66] }, code: 70, says: "no signature was given", refused: true},
		"a chain alone":      {words: []string{"--wallet=", "--chain=1"}, sign: signs(w), code: 64, says: "--chain goes with --wallet", refused: true},
		"no address":         {words: []string{"--wallet", "ada.eth"}, sign: signs(w), code: 64, says: "0x and 40 hexadecimal digits", refused: true},
		"without a checksum": {words: []string{"--wallet", strings.ToLower(w.Address.String())}, sign: signs(w), code: 64, says: "checksum of EIP-55", refused: true},
	} {
		t.Run(what, func(t *testing.T) {
			k := &taker{login: wallet.Login{Realm: "example.org", Chain: max(c.chain, 1), Device: "my phone"}, token: []byte("a token")}
			if c.token == "none" {
				k.token = nil
			}
			code, says := k.run(t, c.sign, append([]string{"--device", "my phone", "--wallet", w.Address.String()}, c.words...)...)
			if code != c.code || !strings.Contains(says, c.says) || (k.heard == nil) != c.refused {
				t.Errorf("exit code %d, want %d and %q; the daemon heard %v:\n%s", code, c.code, c.says, k.heard, says)
			}
		})
	}
}
