// Package sshagent has an ssh-agent sign ssh certificates with a key that the server does not
// hold: as "ssh-keygen -U" does. The agent (ssh-agent(1)) may have the key from a file, from a
// PKCS#11 token or hardware module ("ssh-add -s"), or from a TPM; no module is loaded into the
// server's own process, and no PIN passes through it.
//
// An agent is asked anew for each request, within [Timeout], and what it says is believed
// of nothing: a signature counts when it verifies by the key that was meant, in the form that
// sshd takes. [Agent.Signer] ends one of these ways:
//
//	the agent                           what is told
//	answers, and has the key            a signer
//	cannot be reached, or is silent     [AwayError], "does not answer"
//	answers, and has not the key, or    [AwayError], "does not have the key"
//	is locked
//	has it, and does not sign, or       [AwayError] of the signer, "does not sign"
//	signs something else
package sshagent
