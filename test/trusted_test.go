package test

import (
	"testing"
)

// A web server that checks passwords runs as a user of its own.
// Promise proof-asker.
func TestATrustedUsersProgramChecksPasswordsOfOthers(t *testing.T) {
	r := configured(t, "[service.web]\ntrusted_users = [\"webserver\"]")
	out := script(t, r, `
		useradd -r webserver; useradd -r mailserver
		printf '%s\n' '@include common-auth' '@include common-account' > /etc/pam.d/web
		cp /etc/pam.d/web /etc/pam.d/mail
		as() { printf '%s\n' "$4" | runuser -u $1 -- sallyport auth-test --service $2 $3 2>/dev/null || true; }
		as webserver web `+ada+` '`+adaPass+`'
		as webserver web `+ada+` 'a guess'
		as webserver mail `+ada+` '`+adaPass+`'
		as mailserver web `+ada+` '`+adaPass+`'`)
	mentions(t, out, "ada may sign in through \"web\".\nada may not sign in through \"web\"",
		"ada may not sign in through \"mail\"", "ada may not sign in through \"web\": authentication")
}
