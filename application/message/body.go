package message

import "encoding/json"

// HelloBody is that of hello.
type HelloBody struct {
	Code string `json:"code"` // random, 32 hexadecimal digits
}

// InstanceKeyBody is that of instance.key.
type InstanceKeyBody struct {
	Code string `json:"code"` // of the hello
	Key  string `json:"key"`  // armored
}

// InstanceBoundBody is that of instance.bound.
type InstanceBoundBody struct {
	Instance string `json:"instance"` // the fingerprint of its key
	Realm    string `json:"realm"`    // the realm's name
}

// RegisterBody is that of register.
type RegisterBody struct {
	Method  string `json:"method"` // "mail", "sms" or "totp"
	Payload string `json:"payload"`
}

// RegisterBegunBody is that of register.begun. The registration goes on under the id of the
// request that it answers.
type RegisterBegunBody struct {
	Until int64 `json:"until"` // seconds since 1970
}

// CodeBody is that of code.
type CodeBody struct {
	Code string `json:"code"`
	// Registration is the id of the request of register; "" with an administrator's code.
	Registration string `json:"registration,omitempty"`
}

// CodeAcceptedBody is that of code.accepted. With an administrator's code the registration goes
// on under the id of the request that this answers.
type CodeAcceptedBody struct {
	Code string `json:"code"` // the one of the question
	// Account is whose the code was; "": an account is made with the person's key.
	Account string `json:"account,omitempty"`
	Until   int64  `json:"until"` // seconds since 1970
}

// PersonKeyBody is that of person.key.
type PersonKeyBody struct {
	Registration string `json:"registration"` // the id of the request of register, or else of code
	Key          string `json:"key"`          // armored
	Proof        []byte `json:"proof"`        // a message of person.proof, signed by that key
}

// PersonBoundBody is that of person.bound.
type PersonBoundBody struct {
	Account string `json:"account"`
	Key     string `json:"key"` // the fingerprint
}

// CarriedBody is that of job and of result: a message that a person signed.
type CarriedBody struct {
	Signed []byte `json:"signed"` // binary; in base64 by JSON
}

// OrderBody is that of create, read, update and delete.
type OrderBody struct {
	Resource string `json:"resource"`
	// Type and Value are for create and update: "text", "number", "json", or "bytes" in base64.
	Type  string          `json:"type,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
	// Revision is that which an update or a delete is about.
	Revision uint64 `json:"revision,omitempty"`
}

// JobAcceptedBody is that of job.accepted.
type JobAcceptedBody struct {
	Job string `json:"job"`
}

// FetchBody is that of fetch.
type FetchBody struct {
	Job string `json:"job"`
}

// JobResultBody is that of job.result.
type JobResultBody struct {
	Job       string          `json:"job"`
	Operation Purpose         `json:"operation"`
	Resource  string          `json:"resource"`
	Done      bool            `json:"done"`
	Cause     string          `json:"cause,omitempty"` // where it is not done
	Type      string          `json:"type,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
	Revision  uint64          `json:"revision,omitempty"`
}

// EmptyBody is one that says nothing.
type EmptyBody struct{}

// RefusedBody is that of refused.
type RefusedBody struct {
	Cause   string `json:"cause"`
	Message string `json:"message"`
	Time    int64  `json:"time"` // of the server's clock
}
