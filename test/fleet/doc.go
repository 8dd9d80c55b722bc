// Package fleet tests several servers of one realm on one PostgreSQL, which the tests start
// themselves: in one process, where the tests see both sides, and as processes that they kill.
// It needs no root and touches nothing but folders of its own.
//
// It promises that whatever is true of one server is true of them together: what is good
// once is good once, failures are counted once, a change is heard at all of them, and a
// server that ends, in whatever moment, is no word about an account.
package fleet
