package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// What stands in an ssh certificate for one hop. It is OpenSSH's PROTOCOL.certkeys; names of
// extensions that are ours end in [HopExtension].
const (
	hopPrincipal = "sallyport/"
	// HopExtension ends the names of our extensions.
	HopExtension = "@sallyport"
	// HopNext is the extension of a hop that only passes on: "HOST PORT" of the next one,
	// which is all that may be connected to from there.
	HopNext = "next" + HopExtension
	// HopLocal and HopRemote say in which directions ports may be forwarded.
	HopLocal  = "local" + HopExtension
	HopRemote = "remote" + HopExtension
	// HopMethods is the extension that names the factors that its request was proved by.
	HopMethods = "methods" + HopExtension
	// HopSessions is the extension that says what becomes of sessions when their grant is
	// ended before its time: an [OnEnd].
	HopSessions = "sessions" + HopExtension
	// HopEarn is the extension of a hop whose session earns the strength-gated groups that
	// HopMethods prove enough for.
	HopEarn = "earn" + HopExtension
)

// OnEnd is what becomes of sessions when the grant that they came by is ended before its
// time.
type OnEnd string

// In the order of strictness.
const (
	KeepSessions OnEnd = "keep" // nothing
	TellSessions OnEnd = "tell" // their terminals are told
	EndSessions  OnEnd = "end"  // they are ended
)

// ParseOnEnd reads one. What is not known is told: nothing is ended that nobody said to end.
func ParseOnEnd(word string) (o OnEnd, known bool) {
	switch o = OnEnd(word); o {
	case KeepSessions, TellSessions, EndSessions:
		return o, true
	default:
		return TellSessions, word == ""
	}
}

// Stricter is the stricter one of two.
func (o OnEnd) Stricter(than OnEnd) OnEnd {
	order := []OnEnd{KeepSessions, TellSessions, EndSessions}
	return order[max(slices.Index(order, o), slices.Index(order, than), 0)]
}

// HopPrincipal is the only principal of a certificate by which an account may be logged in
// to at a machine. No account can have that name.
func HopPrincipal(machine, account uuid.UUID) string {
	return hopPrincipal + machine.String() + "/" + account.String()
}

// HostAlias is the name by which a machine's host certificate is known beside its host
// names. No name server has it.
func HostAlias(machine uuid.UUID) string { return machine.String() + ".machine.sallyport" }

// PlainHost tells whether it is a name or an address of a host that means nothing else to a
// shell, to ssh or to sshd: letters, digits, '.', '_', ':' and '-', which it does not begin
// with; at most 255 bytes.
func PlainHost(host string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-"
	return host != "" && len(host) <= MaxHostLen && host[0] != '-' && strings.Trim(host, letters) == ""
}

// MaxHostLen is the longest name of a host, in bytes.
const MaxHostLen = 255

// HopID is what a certificate's key id says, which sshd writes into its log.
type HopID struct {
	// Asker asked at machine At to log in to To as As, by that request.
	Asker, At, To, As Name
	Request           uuid.UUID
}

// String is "ASKER@AT to=AS@TO request=UUID".
func (h HopID) String() string {
	return fmt.Sprintf("%s@%s to=%s@%s request=%s", h.Asker, h.At, h.As, h.To, h.Request)
}

// RequestOfHop reads the request from a certificate's key id.
func RequestOfHop(keyID string) (uuid.UUID, error) {
	_, text, found := strings.Cut(keyID, " request=")
	id, err := uuid.Parse(text)
	if !found || err != nil || id.String() != text {
		return uuid.Nil, errors.New("a certificate that names no request")
	}
	return id, nil
}
