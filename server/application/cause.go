package application

// Cause is why something is refused, for programs.
type Cause string

// The causes.
const (
	Malformed     Cause = "malformed"
	Receiver      Cause = "receiver"
	WrongPurpose  Cause = "purpose"
	Clock         Cause = "clock"
	Replayed      Cause = "replayed"
	Disabled      Cause = "application.disabled"
	Revoked       Cause = "revoked"
	WrongCode     Cause = "code"
	SelfOff       Cause = "self.off"
	SelfFull      Cause = "self.full"
	NoMethod      Cause = "method"
	Busy          Cause = "busy"
	BadKey        Cause = "key"
	KeyTaken      Cause = "key.taken"
	PersonUnknown Cause = "person.key"
	KeyRevoked    Cause = "person.key.revoked"
	Signature     Cause = "person.signature"
	Account       Cause = "account"
	Permission    Cause = "permission"
	JobUnknown    Cause = "job.unknown"
	JobPending    Cause = "job.pending"
	JobFetched    Cause = "job.fetched"
	JobExpired    Cause = "job.expired"
)

// The causes for which a job that was accepted is not done.
const (
	NotFound   Cause = "not.found"
	Exists     Cause = "exists"
	OldVersion Cause = "revision"
	Full       Cause = "full"
	Overdue    Cause = "overdue"
)

// words are what people are told.
func words() map[Cause]string {
	return map[Cause]string{
		Malformed:     "the message is not as docs/applications.md has it",
		Receiver:      "the message is for another realm: use the realm's key that was shipped with the application",
		WrongPurpose:  "that purpose is not for this sender",
		Clock:         "the message is not of now: the server's time is %s, and clocks may be %d seconds apart; set the clock",
		Replayed:      "the request's id was used before: make a new one for each message",
		Disabled:      "the application is disabled: ask the realm's administrator",
		Revoked:       "this instance is revoked, or its application was removed: ask the realm's administrator",
		WrongCode:     "the code is wrong, used or over: ask for a new one",
		SelfOff:       "nobody registers here without an administrator: ask one for a code",
		SelfFull:      "there is no room for another account: ask the realm's administrator",
		NoMethod:      "codes are not sent that way here: choose another one of mail, sms, totp",
		Busy:          "a code was sent a moment ago, or cannot be sent now: use that, or try again in 10 minutes",
		BadKey:        "the OpenPGP key is not good",
		KeyTaken:      "the key is in use already: make a new one",
		PersonUnknown: "this key is nobody's at this instance: register first",
		KeyRevoked:    "this person's key is revoked: ask the realm's administrator for a code, and register again",
		Signature:     "what the person signed is not good",
		Account:       "the account is disabled or not valid: ask the realm's administrator",
		Permission:    "no group of this account may do that with this resource",
		JobUnknown:    "there is no such job of this person at this instance",
		JobPending:    "the job is not resolved yet: ask again in some seconds",
		JobFetched:    "the job's result was given, which is done once",
		JobExpired:    "nobody came for the job's result in time",
		NotFound:      "there is no such resource",
		Exists:        "the resource is there already",
		OldVersion:    "the resource has another revision: read it again",
		Overdue:       "it could not be done in time, and is not done: ask again",
		Full:          "the space has no room for another resource",
	}
}
