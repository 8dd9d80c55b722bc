package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Sizes in bytes.
const (
	MaxPacket   = 64 << 10
	headerLen   = 4
	fieldHeader = 4
	// MaxField is the longest value that fits one packet.
	MaxField = MaxPacket - headerLen - fieldHeader
)

// Version is the first byte of every message.
const Version = 1

// ErrMalformed says that a packet is no message of this protocol.
var ErrMalformed = errors.New("malformed message")

// Type is the second byte of a message.
type Type uint8

// Requests on lookup.sock. Each is answered by [Working], then by one answer:
// the type named here, [NotFound] or [Unavailable].
const (
	GetAccountByName Type = 0x01 // Account
	GetAccountByUID  Type = 0x02 // Account
	GetGroupByName   Type = 0x03 // Group, one or more packets
	GetGroupByGID    Type = 0x04 // Group, one or more packets
	GetGroupsOf      Type = 0x05 // Groups
	ListAccounts     Type = 0x06 // Account…, End
	ListGroups       Type = 0x07 // Group…, End
	GetSSHKeys       Type = 0x08 // SSHKey…, End
	GetSubIDs        Type = 0x09 // SubIDs
)

// Requests on pam.sock.
const (
	Begin  Type = 0x10 // opens the one conversation of a connection
	Answer Type = 0x11 // to Prompt
)

// Control is the one request on control.sock.
const Control Type = 0x20

// What the daemon says.
const (
	Working     Type = 0x40 // alive, the answer may take a while
	Account     Type = 0x41
	Group       Type = 0x42
	Groups      Type = 0x43
	SSHKey      Type = 0x44
	SubIDs      Type = 0x45
	End         Type = 0x4d
	NotFound    Type = 0x4e
	Unavailable Type = 0x4f
	Prompt      Type = 0x50
	Tell        Type = 0x51
	Verdict     Type = 0x52
	Item        Type = 0x60 // one JSON value of a control answer
	Done        Type = 0x61 // ends a control answer
)

// Tag names a field.
type Tag uint16

// The fields. Numbers are four bytes; texts are bytes without NUL.
const (
	Name        Tag = 1
	UID         Tag = 2
	GID         Tag = 3
	FullName    Tag = 4
	Home        Tag = 5
	Shell       Tag = 6
	Member      Tag = 7 // repeated
	GIDs        Tag = 8 // packed four-byte numbers
	More        Tag = 9 // number 1: the same record goes on in the next packet
	KeyLine     Tag = 10
	LocalGIDs   Tag = 11 // packed: groups of this machine's own that the administrator named
	Start       Tag = 12
	Count       Tag = 13
	Certificate Tag = 14 // of ssh, as %k of sshd_config(5)
	Operation   Tag = 20
	Flags       Tag = 21
	Service     Tag = 22
	TTY         Tag = 23
	RemoteUser  Tag = 24
	RemoteHost  Tag = 25
	FirstPass   Tag = 26
	OldPass     Tag = 27
	Secret      Tag = 28
	Session     Tag = 29 // packed, five: audit session, terminal, leader, its start (low, high word)
	Style       Tag = 30
	Text        Tag = 31
	Code        Tag = 32
	Environment Tag = 33 // repeated
	Delay       Tag = 34 // microseconds
	Process     Tag = 35 // packed, six: process, its start (low, high word), its parent, that one's start
	Caller      Tag = 36 // packed, two: login uid, real uid
	Logind      Tag = 37 // logind's session of the process, e.g. "3" or "c1"
	AuthInfo    Tag = 38 // what sshd authenticated by: SSH_AUTH_INFO_0 of sshd(8)
	Verb        Tag = 40
	JSON        Tag = 41
)

// Bits of [Flags] in [Begin].
const (
	FlagSilent        uint32 = 1 << iota // PAM_SILENT
	FlagOnlyFirstPass                    // use_first_pass
	FlagPrelim                           // PAM_PRELIM_CHECK
)

// kind is the form of a field's value.
type kind uint8

const (
	text    kind = iota // any length, no NUL
	number              // 4 bytes
	numbers             // a multiple of 4 bytes
	secret              // any bytes without NUL, wiped after use
)

func kindOf(t Tag) kind {
	switch t {
	case UID, GID, More, Start, Count, Operation, Flags, Style, Code, Delay:
		return number
	case GIDs, LocalGIDs, Session, Process, Caller:
		return numbers
	case FirstPass, OldPass, Secret:
		return secret
	default:
		return text
	}
}

// Schema says which fields a message has.
type Schema struct {
	Must, May, Repeated []Tag
}

// SchemaOf returns the rules of a type, and whether the type exists.
func SchemaOf(t Type) (Schema, bool) {
	switch t {
	case GetAccountByName, GetGroupByName, GetGroupsOf, GetSubIDs:
		return Schema{Must: []Tag{Name}}, true
	case GetSSHKeys:
		return Schema{Must: []Tag{Name}, May: []Tag{Certificate}}, true
	case GetAccountByUID:
		return Schema{Must: []Tag{UID}}, true
	case GetGroupByGID:
		return Schema{Must: []Tag{GID}}, true
	case ListAccounts, ListGroups, Working, End, NotFound:
		return Schema{}, true
	case Account:
		return Schema{Must: []Tag{Name, UID, GID, FullName, Home, Shell}}, true
	case Group:
		return Schema{Must: []Tag{Name, GID}, May: []Tag{More}, Repeated: []Tag{Member}}, true
	case Groups:
		return Schema{Must: []Tag{GIDs}, May: []Tag{LocalGIDs}}, true
	case SubIDs:
		return Schema{Must: []Tag{Start, Count}}, true
	case SSHKey:
		return Schema{Must: []Tag{KeyLine}}, true
	case Unavailable:
		return Schema{May: []Tag{Text}}, true
	case Begin:
		return Schema{
			Must: []Tag{Operation, Flags, Service, Name},
			May:  []Tag{TTY, RemoteUser, RemoteHost, FirstPass, OldPass, Session, Process, Caller, Logind, AuthInfo},
		}, true
	case Answer:
		return Schema{Must: []Tag{Secret}}, true
	case Prompt, Tell:
		return Schema{Must: []Tag{Style, Text}}, true
	case Verdict:
		return Schema{Must: []Tag{Code}, May: []Tag{Secret, GIDs, Delay}, Repeated: []Tag{Environment}}, true
	case Control:
		return Schema{Must: []Tag{Verb}, May: []Tag{JSON}}, true
	case Item:
		return Schema{Must: []Tag{JSON}, May: []Tag{More}}, true
	case Done:
		return Schema{Must: []Tag{Code}, May: []Tag{Text}}, true
	default:
		return Schema{}, false
	}
}

// field is one value; the bytes belong to the message.
type field struct {
	tag   Tag
	value []byte
}

// Message is one message, built by [New] and the Add methods or read by [Parse].
type Message struct {
	Type   Type
	fields []field
	size   int
}

// New begins a message.
func New(t Type) *Message { return &Message{Type: t, size: headerLen} }

// Add appends a field and returns the message.
func (m *Message) Add(t Tag, value []byte) *Message {
	m.fields = append(m.fields, field{t, value})
	m.size += fieldHeader + len(value)
	return m
}

// AddString appends a text.
func (m *Message) AddString(t Tag, value string) *Message { return m.Add(t, []byte(value)) }

// AddNumbers appends one number, or several for a packed field.
func (m *Message) AddNumbers(t Tag, values ...uint32) *Message {
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return m.Add(t, b)
}

// Size is the length of the packet, in bytes.
func (m *Message) Size() int { return m.size }

// Fits tells whether a further field with n bytes of value would fit the packet.
func (m *Message) Fits(n int) bool { return m.size+fieldHeader+n <= MaxPacket }

// Bytes returns the first value of a field, nil when there is none.
func (m *Message) Bytes(t Tag) []byte {
	for _, f := range m.fields {
		if f.tag == t {
			return f.value
		}
	}
	return nil
}

// Has tells whether the message has the field.
func (m *Message) Has(t Tag) bool {
	return slices.ContainsFunc(m.fields, func(f field) bool { return f.tag == t })
}

// String returns the first value of a field as text, "" when there is none.
func (m *Message) String(t Tag) string { return string(m.Bytes(t)) }

// Number returns the first value of a number field, 0 when there is none.
func (m *Message) Number(t Tag) uint32 {
	if b := m.Bytes(t); len(b) == 4 {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// Numbers returns the values of a packed field.
func (m *Message) Numbers(t Tag) []uint32 {
	b := m.Bytes(t)
	n := make([]uint32, 0, len(b)/4)
	for ; len(b) >= 4; b = b[4:] {
		n = append(n, binary.LittleEndian.Uint32(b))
	}
	return n
}

// All returns every value of a repeated field, in order.
func (m *Message) All(t Tag) []string {
	var all []string
	for _, f := range m.fields {
		if f.tag == t {
			all = append(all, string(f.value))
		}
	}
	return all
}

// Wipe clears every value that holds a secret. The packet that Parse was given
// shares those bytes.
func (m *Message) Wipe() {
	for _, f := range m.fields {
		if kindOf(f.tag) == secret {
			clear(f.value)
		}
	}
}

// Marshal checks the message against its schema and encodes it.
func (m *Message) Marshal() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	if m.size > MaxPacket {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, m.size, MaxPacket)
	}
	b := make([]byte, headerLen, m.size)
	b[0], b[1] = Version, byte(m.Type)
	for _, f := range m.fields {
		b = binary.LittleEndian.AppendUint16(b, uint16(f.tag))
		b = binary.LittleEndian.AppendUint16(b, uint16(len(f.value))) //nolint:gosec // bounded by MaxPacket above
		b = append(b, f.value...)
	}
	return b, nil
}

// Parse reads one packet. The message refers to the packet's bytes.
func Parse(packet []byte) (*Message, error) {
	switch {
	case len(packet) < headerLen || len(packet) > MaxPacket:
		return nil, fmt.Errorf("%w: %d bytes", ErrMalformed, len(packet))
	case packet[0] != Version:
		return nil, fmt.Errorf("%w: version %d, want %d", ErrMalformed, packet[0], Version)
	case packet[2] != 0 || packet[3] != 0:
		return nil, fmt.Errorf("%w: reserved bytes are set", ErrMalformed)
	}
	m := New(Type(packet[1]))
	for rest := packet[headerLen:]; len(rest) > 0; {
		if len(rest) < fieldHeader {
			return nil, fmt.Errorf("%w: %d stray bytes", ErrMalformed, len(rest))
		}
		tag, n := Tag(binary.LittleEndian.Uint16(rest)), int(binary.LittleEndian.Uint16(rest[2:]))
		rest = rest[fieldHeader:]
		if n > len(rest) {
			return nil, fmt.Errorf("%w: field %d of %d bytes, %d left", ErrMalformed, tag, n, len(rest))
		}
		m.Add(tag, rest[:n:n])
		rest = rest[n:]
	}
	return m, m.check()
}

func (m *Message) check() error {
	s, ok := SchemaOf(m.Type)
	if !ok {
		return fmt.Errorf("%w: type %#02x", ErrMalformed, uint8(m.Type))
	}
	var seen uint64 // every tag is below 64
	for _, f := range m.fields {
		bit := uint64(1) << (f.tag & 63)
		switch {
		case slices.Contains(s.Repeated, f.tag):
		case !slices.Contains(s.Must, f.tag) && !slices.Contains(s.May, f.tag):
			return fmt.Errorf("%w: type %#02x with field %d", ErrMalformed, uint8(m.Type), f.tag)
		case seen&bit != 0:
			return fmt.Errorf("%w: field %d twice", ErrMalformed, f.tag)
		}
		seen |= bit
		if err := checkValue(f); err != nil {
			return err
		}
	}
	for _, t := range s.Must {
		if seen&(uint64(1)<<t) == 0 {
			return fmt.Errorf("%w: type %#02x without field %d", ErrMalformed, uint8(m.Type), t)
		}
	}
	return nil
}

func checkValue(f field) error {
	switch kindOf(f.tag) {
	case number:
		if len(f.value) != 4 {
			return fmt.Errorf("%w: field %d has %d bytes, want 4", ErrMalformed, f.tag, len(f.value))
		}
	case numbers:
		if len(f.value)%4 != 0 {
			return fmt.Errorf("%w: field %d has %d bytes, want a multiple of 4", ErrMalformed, f.tag, len(f.value))
		}
	case text, secret:
		if slices.Contains(f.value, 0) {
			return fmt.Errorf("%w: NUL in field %d", ErrMalformed, f.tag)
		}
	}
	return nil
}
