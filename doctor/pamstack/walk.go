package pamstack

import (
	"fmt"
	"strconv"
	"strings"
)

// action is what a stack does with a result.
type action struct {
	kind kind
	jump int
}

type kind uint8

const (
	bad kind = iota // the zero value refuses
	ignore
	ok
	done
	die
	reset
	jump
)

// Results of modules, by the names that pam.conf(5) has for them.
const (
	Success       = "success"
	AuthErr       = "auth_err"
	UserUnknown   = "user_unknown"
	PermDenied    = "perm_denied"
	Ignore        = "ignore"
	ModuleUnknown = "module_unknown"
	Unavailable   = "authinfo_unavail"
	failCode      = "cred_unavail" // what libpam returns when nothing decided
)

func control(word string) (map[string]action, error) {
	switch strings.ToLower(word) {
	case "required":
		return map[string]action{Success: {kind: ok}, "new_authtok_reqd": {kind: ok}, Ignore: {kind: ignore}, "default": {kind: bad}}, nil
	case "requisite":
		return map[string]action{Success: {kind: ok}, "new_authtok_reqd": {kind: ok}, Ignore: {kind: ignore}, "default": {kind: die}}, nil
	case "sufficient":
		return map[string]action{Success: {kind: done}, "new_authtok_reqd": {kind: done}, "default": {kind: ignore}}, nil
	case "optional":
		return map[string]action{Success: {kind: ok}, "new_authtok_reqd": {kind: ok}, "default": {kind: ignore}}, nil
	}
	list, brackets := strings.CutPrefix(word, "[")
	if !brackets {
		return nil, fmt.Errorf("%q is no control word", word)
	}
	all := map[string]action{}
	for pair := range strings.FieldsSeq(list) {
		value, does, found := strings.Cut(pair, "=")
		a, known := actionNamed(does)
		if !found || !known {
			return nil, fmt.Errorf("%q is no action", pair)
		}
		all[strings.ToLower(value)] = a
	}
	return all, nil
}

func actionNamed(s string) (action, bool) {
	known := map[string]kind{"ignore": ignore, "ok": ok, "done": done, "bad": bad, "die": die, "reset": reset}
	if k, found := known[strings.ToLower(s)]; found {
		return action{kind: k}, true
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 255 {
		return action{}, false
	}
	return action{jump, n}, true
}

// on is what the line does with a result.
func (l *Line) on(result string) action {
	if a, named := l.actions[result]; named {
		return a
	}
	return l.actions["default"] // bad, where there is none
}

// Trace is how a walk went.
type Trace struct {
	// Result is what the application gets.
	Result string
	// Asked are the lines whose modules were called.
	Asked []*Line
	// Decided is the line that decided; nil where nothing did.
	Decided *Line
}

// Reached tells whether a module was called.
func (t Trace) Reached(module string) bool {
	for _, l := range t.Asked {
		if l.Is(module) {
			return true
		}
	}
	return false
}

type impression uint8

const (
	undefined impression = iota
	positive
	negative
)

// state is what libpam keeps while it goes, for each level of substacks.
type state struct {
	impression impression
	status     string
	decided    *Line
}

// Walk goes through a stack as _pam_dispatch_aux of libpam does; returns says what each
// module answers.
func Walk(stack []*Line, returns func(*Line) string) Trace {
	var t Trace
	now := state{status: failCode}
	var outer []state // by level, saved where a substack began
	for i := 0; i < len(stack); {
		l := stack[i]
		outer = outer[:min(len(outer), l.level)] // a substack that ended hands its state on
		if l.sub {
			outer = append(outer, now)
			i++
			continue
		}
		t.Asked = append(t.Asked, l)
		result := returns(l)
		a := l.on(result)
		next := i + 1
		end := false
		switch a.kind {
		case ignore:
		case reset:
			now = state{status: failCode}
			if len(outer) > 0 {
				now = outer[len(outer)-1]
			}
		case ok, done:
			if now.impression == undefined || now.impression == positive && now.status == Success {
				now.impression, now.status, now.decided = positive, result, l
			}
			end = a.kind == done && now.impression == positive
		case jump:
			var whole bool
			if next, whole = skip(stack, i, a.jump); !whole {
				now.impression, now.status, now.decided = negative, PermDenied, l
			}
		default: // bad and die
			if now.impression != negative {
				now.impression, now.status, now.decided = negative, result, l
				if result == Success {
					now.status = PermDenied
				}
			}
			end = a.kind == die
		}
		if end && l.level == 0 {
			break
		}
		if end { // of this substack alone
			for next = i + 1; next < len(stack) && stack[next].level >= l.level; next++ {
			}
		}
		i = next
	}
	t.Result, t.Decided = now.status, now.decided
	if now.impression == undefined {
		t.Result = PermDenied
	}
	return t
}

// skip is the place behind a jump over n lines of the same level. A jump beyond the end of
// the stack, or of the substack, is a fault.
func skip(stack []*Line, at, n int) (next int, whole bool) {
	level := stack[at].level
	i := at + 1
	for ; n > 0; n-- {
		if i >= len(stack) || stack[i].level < level {
			return i, false
		}
		for i++; i < len(stack) && stack[i].level > level; i++ { // a substack is one
		}
	}
	return i, true
}
