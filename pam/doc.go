// Package pam is the daemon's half of the conversation with pam_sallyport.so. It
// carries one question from a host program to an [Authority], shows the person
// what the authority wants shown, and carries one verdict back.
//
// It promises:
//
//   - [identity.Granted] is sent only when the authority returned it, the whole
//     conversation went well, and the host program is still there. A panic, a
//     failed prompt, a malformed packet or a hang-up can only take it away.
//   - Who asks is the kernel's word (SO_PEERCRED), never a message's.
//   - One conversation's faults end that conversation and no other.
//   - The context of [Authority.Decide] ends when the host program hangs up.
//   - Working is sent before the authority is asked, so that a host can tell a
//     daemon that thinks from one that hangs.
//
// The states of one connection:
//
//	state     message         next      else
//	accepted  Begin           deciding  closed; no Begin in 5 s: closed
//	deciding  (authority asks) asking   any message: ended, nothing granted
//	asking    Answer          deciding  no answer in PromptTimeout: Ask fails
//	any       hang-up         ended     Decide's context is cancelled
//	deciding  (verdict)       ended     Verdict is sent and the connection closed
//
// It decides nothing: not who may ask about whom, not what to ask, not what a
// failure costs. That is the authority's, from [identity.Login] and its Peer.
package pam
