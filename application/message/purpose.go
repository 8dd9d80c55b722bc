package message

// Kind is what a party is.
type Kind string

// The kinds of parties.
const (
	Application Kind = "application"
	Instance    Kind = "instance"
	Person      Kind = "person"
	Realm       Kind = "realm"
)

// Purpose is what a message is for.
type Purpose string

// The purposes of questions.
const (
	Hello       Purpose = "hello"        // an instance that is to be announces itself
	InstanceKey Purpose = "instance.key" // its public key
	Register    Purpose = "register"     // a person registers without an administrator
	Code        Purpose = "code"         // a person proves a code
	PersonKey   Purpose = "person.key"   // the person's public key
	Job         Purpose = "job"          // carries a person's order
	Result      Purpose = "result"       // carries a person's question for what a job came to
)

// The purposes of answers.
const (
	Received      Purpose = "received"
	InstanceBound Purpose = "instance.bound"
	RegisterBegun Purpose = "register.begun"
	CodeAccepted  Purpose = "code.accepted"
	PersonBound   Purpose = "person.bound"
	JobAccepted   Purpose = "job.accepted"
	JobResult     Purpose = "job.result"
	Refused       Purpose = "refused"
)

// The purposes of what a person signs, which an instance carries.
const (
	PersonProof Purpose = "person.proof" // that the private half of the key is there
	Create      Purpose = "create"
	Read        Purpose = "read"
	Update      Purpose = "update"
	Delete      Purpose = "delete"
	Fetch       Purpose = "fetch" // what a job came to
)

// Rule is what holds for a purpose.
type Rule struct {
	// From is who says it.
	From Kind
	// In is the question that carries it; "": it is a message of its own.
	In Purpose
	// Answer is the purpose of the answer; "": it is one itself, or is carried.
	Answer Purpose
	// Open: the answer is signed, and not encrypted: there is no key yet to encrypt it to, and
	// it says nothing.
	Open bool
}

// Rules are all purposes. What is not in this table is refused.
//
//	question      from         answer          encrypted to
//	hello         application  received        nobody: it says nothing
//	instance.key  application  instance.bound  the instance's new key
//	register      instance     register.begun  the instance
//	code          instance     code.accepted   the instance
//	person.key    instance     person.bound    the instance
//	job           instance     job.accepted    the instance
//	result        instance     job.result      the instance
//
// Whatever is refused is answered by refused, encrypted to the instance; to an application it
// is signed alone.
func Rules() map[Purpose]Rule {
	return map[Purpose]Rule{
		Hello:       {From: Application, Answer: Received, Open: true},
		InstanceKey: {From: Application, Answer: InstanceBound},
		Register:    {From: Instance, Answer: RegisterBegun},
		Code:        {From: Instance, Answer: CodeAccepted},
		PersonKey:   {From: Instance, Answer: PersonBound},
		Job:         {From: Instance, Answer: JobAccepted},
		Result:      {From: Instance, Answer: JobResult},

		Received: {From: Realm}, InstanceBound: {From: Realm}, RegisterBegun: {From: Realm}, CodeAccepted: {From: Realm}, PersonBound: {From: Realm},
		JobAccepted: {From: Realm}, JobResult: {From: Realm}, Refused: {From: Realm},

		PersonProof: {From: Person, In: PersonKey},
		Create:      {From: Person, In: Job}, Read: {From: Person, In: Job}, Update: {From: Person, In: Job}, Delete: {From: Person, In: Job},
		Fetch: {From: Person, In: Result},
	}
}
