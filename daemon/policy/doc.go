// Package policy is what the administrator of this machine decided about logins, as plain
// data: [Policy] for the machine, [Service] for one PAM service. It reads no configuration;
// package config does, and cmd/sallyportd fills these in.
//
// A [Goal] joins that with one account: it says what a proof must come to before the account
// may log in, or use a service. Every place that asks for a factor, or judges one, goes by it.
//
// The zero value of each lets nobody in.
package policy
