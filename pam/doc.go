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
//	asking    Answer          deciding  no answer in PromptTimeout: Ask fails, PromptEnded
//	asking    (a newcomer takes its place) ended, PromptEnded
//	any       hang-up         ended     Decide's context is cancelled
//	deciding  (verdict)       ended     Verdict is sent and the connection closed
//
// PromptEnded makes the module begin anew, and the same first prompt takes the answer
// that the person typed meanwhile.
//
// Each state has places of its own, so that none is waited for by another. Begun
// conversations are counted by [identity.Login.Origin]: su is a root peer for everybody.
//
//	what                        by         each one's   all                      when there is none left
//	accepted, no Begin yet      peer uid   16; root all  512, and 4,096 for root  Unavailable at once
//	authenticate, change of     origin     64           hosts 2,048; people      a prompt that waits for a person is
//	password; an account check             64           1,024; seat 64; root 128  ended (below); else Unavailable
//	from when it asks
//	every other phase           origin     256          hosts 1,024; people      Unavailable
//	                                                    512; seat 256; root 512
//
// Hosts are other machines, people local users, root is root's own su and hosts that do
// not say who runs them. The classes share nothing. The prompt that ends is the longest
// open one of the same origin, if that has all its places; if the class is full, of the
// origin that holds most, and never of one that holds fewer than the newcomer's. What
// is being decided is never ended.
//
// It decides nothing: not who may ask about whom, not what to ask, not what a
// failure costs. That is the authority's, from [identity.Login] and its Peer.
package pam
