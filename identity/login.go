package identity

import (
	"context"
	"fmt"
)

// Peer is who is at the other end of a local socket, as the kernel tells it
// (SO_PEERCRED, unix(7)). It is never taken from a message.
type Peer struct {
	UID, GID uint32
	PID      int32
}

// Operation is the PAM service function that a host program called.
type Operation uint8

// The operations. The zero value is none and is refused.
const (
	OpNone Operation = iota
	OpAuthenticate
	OpAccount
	OpOpenSession
	OpCloseSession
	OpSetCredentials
	OpChangePassword
)

// String is the word that logs use.
func (o Operation) String() string {
	words := [...]string{"none", "authenticate", "account", "open session", "close session", "set credentials", "change password"}
	if int(o) < len(words) {
		return words[o]
	}
	return fmt.Sprintf("operation %d", uint8(o))
}

// Login is one question at the door: may this name do this, here, now?
// Everything but Peer is what the host program said and may be wrong.
type Login struct {
	Operation Operation
	Service   string // PAM service, e.g. "sshd"
	User      string // PAM_USER as it stands; it is never changed
	TTY       string // PAM_TTY, may be empty
	RemoteUser,
	RemoteHost string // PAM_RUSER and PAM_RHOST, may be empty
	Silent bool // PAM_SILENT or "quiet": neither information nor [Refused] is shown
	// FirstPass is the PAM_AUTHTOK that an earlier module left, when the
	// administrator asked us to use it; empty otherwise.
	FirstPass Secret
	// OnlyFirstPass forbids asking when FirstPass does not suffice.
	OnlyFirstPass bool
	// OldPass is PAM_OLDAUTHTOK for a password change; empty otherwise.
	OldPass Secret
	// Prelim marks the first of the two rounds of a password change.
	Prelim bool
	// Session is where the host program runs; believed of a root peer only.
	Session LoginSession
	// Process is the host program itself; believed of a root peer only.
	Process Process
	// LogindSession is logind's session of the host program, e.g. "3" or "c1"; empty
	// where it is in none. It says where to look, and logind whose session that is.
	LogindSession string
	// AuthInfo is what sshd authenticated by, when it opens a session; believed of a root
	// peer's sshd only.
	AuthInfo string
	// Caller is who runs the host program; believed of a root peer only.
	Caller Caller
	Peer   Peer
}

// NoAuditSession is what the kernel says of a process that no login began.
const NoAuditSession = ^uint32(0)

// LoginSession is where a process belongs, by the kernel's facts of it in
// /proc/PID (proc(5)). It can be compared; the zero value is an unknown one.
type LoginSession struct {
	Audit    uint32 `json:"audit"`    // sessionid; NoAuditSession where no login was audited
	Terminal uint32 `json:"terminal"` // device number of the controlling terminal; 0: none
	// Leader leads the session that has the terminal, and Started is when it began,
	// in clock ticks since boot: process numbers come again, the pair does not.
	// Without a terminal it is the process itself, so nothing is shared with it.
	Leader  uint32 `json:"leader"`
	Started uint64 `json:"started"`
}

// Known tells whether the process could be placed.
func (s LoginSession) Known() bool { return s.Leader != 0 && s.Started != 0 }

// Audited tells whether the kernel has a number for the login that it belongs to.
func (s LoginSession) Audited() bool { return s.Audit != 0 && s.Audit != NoAuditSession }

// Process is one process and its parent, each by its number and its start in clock
// ticks since boot: numbers come again, the pair does not. The zero value is an
// unknown one.
type Process struct {
	PID           uint32
	Started       uint64
	Parent        uint32
	ParentStarted uint64
}

// Known tells whether the kernel told of the process.
func (p Process) Known() bool { return p.PID != 0 && p.Started != 0 }

// Style says how a host program shows a message, after pam_conv(3).
type Style uint8

// The styles. The zero value is not one.
const (
	StyleNone Style = iota
	AskSecret       // echo off
	AskText         // echo on
	TellInfo
	TellError
)

// PasswordPrompt is what a host program may replace by a prompt of its own:
// sudo -p and others know it by these very bytes.
const PasswordPrompt = "Password: "

// Refused is what somebody is told whose proof was not accepted, without a reason.
const Refused = "Sign-in refused."

// WrongCode is told of a code to who has proved something before: they have typed the right
// password, so that it tells a guesser nothing.
const WrongCode = "Wrong code. Each code is good once."

// Conversation is the person at the other end. Its methods return an error when
// the person or the host program went away, and then nothing may be granted.
type Conversation interface {
	// Ask shows text and waits for an answer, with style AskSecret or AskText.
	Ask(ctx context.Context, style Style, text string) (Secret, error)
	// Tell shows text, with style TellInfo or TellError.
	Tell(ctx context.Context, style Style, text string) error
}

// Code is a verdict. The zero value grants nothing, and only Granted grants.
type Code uint8

// The codes and what the PAM module returns for them.
const (
	Unavailable        Code = iota // PAM_AUTHINFO_UNAVAIL: cannot decide
	Granted                        // PAM_SUCCESS
	Denied                         // PAM_AUTH_ERR: wrong proof, or not permitted while authenticating
	UnknownUser                    // PAM_USER_UNKNOWN: not ours, no such account
	AccountExpired                 // PAM_ACCT_EXPIRED: disabled or out of date
	NotPermitted                   // PAM_PERM_DENIED: ours, but not allowed here
	TooManyTries                   // PAM_MAXTRIES: locked for now
	NewPasswordNeeded              // PAM_NEW_AUTHTOK_REQD
	NotOurs                        // PAM_IGNORE: a local account; others decide
	PasswordUnchanged              // PAM_AUTHTOK_ERR: the change was refused
	PasswordMismatch               // PAM_AUTHTOK_RECOVERY_ERR: the old one is wrong
	ConversationFailed             // PAM_CONV_ERR: the person went away
	PromptEnded                    // the module begins anew: the daemon ended an open prompt
)

// String is the word that logs use.
func (c Code) String() string {
	words := [...]string{
		"unavailable", "granted", "denied", "unknown user", "account expired", "not permitted", "too many tries",
		"new password needed", "not ours", "password unchanged", "password mismatch", "conversation failed", "prompt ended",
	}
	if int(c) < len(words) {
		return words[c]
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// Verdict ends a login. The zero value grants nothing.
type Verdict struct {
	Code Code
	// Password is handed on as PAM_AUTHTOK, so that a keyring unlocks without
	// asking again. Set only with Granted.
	Password Secret
	// Environment lines "NAME=value" for the session.
	Environment []string
	// Groups are supplementary gids for the session, beyond NSS's.
	Groups []uint32
	// DelayMicros is passed to pam_fail_delay(3) when not granted.
	DelayMicros uint32
}
