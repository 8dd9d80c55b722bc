package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sallyport-auth/sallyport/cli"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/test/kanidm"
	"github.com/sallyport-auth/sallyport/wire"
)

// The scripts in testdata are the readable specification of the command. In each
// of them a daemon answers on $SOCK with what the script's own files say:
//
//	daemon/VERB.json    the values of the answer, one after the other
//	daemon/VERB.error   a refusal: "not found", "forbidden", "away" or "failed", then its text
//
// It writes each question to the file asked. The command's clock stands at $NOW.
// Promise otp-terminal (enrol), join (`words.txtar`), kanidm-limits, kanidm-migration (migrate), announced, hop-clock (clocks).
// Promise identity-client-yes (identity), plain-ssh-version (sshconfig), verify-shown (verify).
func TestTheCommandLineDoesWhatItsScriptsSay(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("SOCK", filepath.Join(e.WorkDir, "control.sock"))
			e.Setenv("NOW", "2026-03-01T12:00:00Z")
			return answer(e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "kanidm": kanidmServer},
	})
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sallyport": func() {
		now, err := time.Parse(time.RFC3339, os.Getenv("NOW"))
		if err != nil {
			panic(err)
		}
		app := &cli.App{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: "1.2.3", Now: func() time.Time { return now }}
		os.Exit(app.Run(context.Background(), os.Args[1:]))
	}})
}

// exits CODE PROGRAM ARG…: runs it and wants that very exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if neg || code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// kanidmServer starts a Kanidm server for the script: $KANIDM is its address, and
// kanidm.pem vouches for it.
func kanidmServer(ts *testscript.TestScript, _ bool, _ []string) {
	d := kanidm.Start()
	ts.Defer(d.Close)
	ts.Setenv("KANIDM", d.URL)
	ts.Check(os.WriteFile(ts.MkAbs("kanidm.pem"), d.CA(), 0o600))
}

// answer is a daemon's control socket until the script ends.
func answer(e *testscript.Env) error {
	l, err := wire.Listen(e.Getenv("SOCK"), 0o600)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- (&control.Server{Operator: &operator{e.WorkDir}, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l)
	}()
	e.Defer(func() {
		stop()
		if err := <-done; err != nil {
			e.T().Fatal(err)
		}
	})
	return nil
}

type operator struct{ dir string }

func (o *operator) Handle(_ context.Context, _ identity.Peer, verb string, args []byte, emit func(any) error) error {
	question := strings.TrimSpace(verb+" "+string(args)) + "\n"
	if err := os.WriteFile(filepath.Join(o.dir, "asked"), []byte(question), 0o600); err != nil {
		return err
	}
	if text, err := os.ReadFile(filepath.Join(o.dir, "daemon", verb+".error")); err == nil {
		return refusal(strings.TrimSpace(string(text)))
	}
	text, err := os.ReadFile(filepath.Join(o.dir, "daemon", verb+".json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for d := json.NewDecoder(bytes.NewReader(text)); d.More(); {
		v, err := decode(d, verb)
		if err != nil {
			return err
		}
		if err := emit(v); err != nil {
			return err
		}
	}
	return nil
}

// decode reads one value as what the daemon would have sent, so that no script
// lives on an answer that no daemon gives.
func decode(d *json.Decoder, verb string) (any, error) {
	d.DisallowUnknownFields()
	var v any
	switch verb {
	case report.VerbStatus:
		v = new(report.Status)
	case report.VerbAsk, report.VerbRequest, report.VerbRequests, report.VerbWithdraw, report.VerbDecide, report.VerbCertify:
		v = new(report.Requested)
	case report.VerbIdentityBegin, report.VerbIdentityNext:
		v = new(report.IdentityStep)
	case report.VerbIdentityVerify:
		v = new(report.IdentityVerified)
	case report.VerbIdentityDevices:
		v = new(report.IdentityDevice)
	case report.VerbVerifyKey:
		v = new(report.VerifyKey)
	case report.VerbVerifyCall:
		v = new(report.VerifyCall)
	case report.VerbVerifyHeard:
		v = new(report.VerifyVerdict)
	case report.VerbExplain:
		v = new(report.Explanation)
	case report.VerbCacheList:
		v = new(report.CachedAccount)
	case report.VerbCacheRefresh:
		v = new(report.Refreshed)
	case report.VerbEnrolTOTP, report.VerbEnrolPIV, report.VerbEnrolCodes, report.VerbEnrolRemove:
		v = new(report.Enrolment)
	case report.VerbEnrolConfirm, report.VerbEnrolPIVDone:
		v = new(report.Enrolled)
	case report.VerbEnrolCard:
		v = new(report.CardMade)
	case report.VerbCards:
		v = new(report.Cards)
	case report.VerbDrop:
		v = new(report.Dropped)
	case report.VerbWhoami:
		v = new(report.Whoami)
	default:
		return nil, fmt.Errorf("%q has no values", verb)
	}
	return v, d.Decode(v)
}

func refusal(text string) error {
	for kind, err := range map[string]error{"not found": identity.ErrNotFound, "forbidden": report.ErrForbidden, "away": report.ErrAway} {
		if why, ok := strings.CutPrefix(text, kind+": "); ok {
			return fmt.Errorf("%w: %s", err, why)
		}
	}
	return errors.New(strings.TrimPrefix(text, "failed: "))
}
