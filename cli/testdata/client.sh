#!/bin/sh
# An instance of an application, written from docs/applications.md with nothing but GnuPG, curl
# and what a POSIX system has. The passphrase of register and of orders is the first line of
# standard input. What a job came to is printed as the realm says it.
#
#   client.sh FOLDER init SHIPPED URL
#   client.sh FOLDER register CODE
#   client.sh FOLDER create|update|read|delete RESOURCE [FIELDS]
#   client.sh FOLDER order …             the same, but prints the id of the job
#   client.sh FOLDER result JOB
#
# FIELDS are more fields of the body as JSON: "type":"text","value":"x". The exit code is 0 for
# yes, 1 for a no of the realm's, 70 for all else.
set -eu
umask 077
folder=$1 command=$2
shift 2
mkdir -p "$folder/gnupg"
export GNUPGHOME="$folder/gnupg"
cd "$folder"

stop() { echo "client.sh: $1" >&2 && exit 70; }
random() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
gpg_() { gpg --batch --quiet --trust-model always --pinentry-mode loopback "$@" 2>>gpg.log; }
fingerprint() { gpg_ --with-colons "$@" | awk -F: '/^fpr/ {print $10; exit}'; }
armored() { gpg_ --armor --export "$1" | awk '{printf "%s\\n", $0}'; }

# text PURPOSE KIND KEY REQUEST BODY [VIA] is one JSON object.
text() {
	printf '{"version":1,"purpose":"%s","from":{"kind":"%s","key":"%s"},"to":{"kind":"realm","key":"%s"},%s"request":"%s","time":%s,"body":%s}' \
		"$1" "$2" "$3" "$realm" "${6:-}" "$4" "$(date +%s)" "$5"
}

# ask PURPOSE KIND KEY REQUEST BODY ANSWER TO OPEN asks, and leaves the body of the answer in
# $body. OPEN is "open" where the answer is signed alone.
ask() {
	text "$1" "$2" "$3" "$4" "$5" >question.json
	gpg_ --yes --output question --passphrase '' --local-user "$3" --recipient "$realm" --compress-algo none --sign --encrypt <question.json
	curl --insecure --fail --silent --show-error --max-time 30 --data-binary @question -H 'Content-Type: application/octet-stream' "$(cat server)/applications/v1" >answer ||
		stop "the server does not answer"
	gpg_ --status-fd 3 --passphrase '' --decrypt <answer >answer.json 3>status || stop "that is no answer"
	checked "$@"
}

checked() {
	digest=$(gpg_ --print-md SHA256 <question.json | tr -d ' \n' | tr A-F a-f)
	[ "$(grep -c '^\[GNUPG:\] GOODSIG ' status)" = 1 ] || stop "that is not signed by a key that is good"
	grep -q "^\[GNUPG:\] VALIDSIG .* $realm\$" status || stop "the realm did not sign that"
	sealed=no
	! grep -q '^\[GNUPG:\] DECRYPTION_OKAY' status || sealed=yes
	answer=$(cat answer.json)
	rest=${answer#'{"version":1,"purpose":"'}
	purpose=${rest%%'"'*}
	to="{\"kind\":\"$2\",\"key\":\"$3\"}"
	[ "$purpose" = refused ] || to=$7
	head="{\"version\":1,\"purpose\":\"$purpose\",\"from\":{\"kind\":\"realm\",\"key\":\"$realm\"},\"to\":$to,\"request\":\"$4\",\"time\":"
	rest=${answer#"$head"}
	[ "$rest" != "$answer" ] || stop "that answers something else: $answer"
	time=${rest%%,*} rest=${rest#*,}
	case $time in '' | *[!0-9]* | ????????????*) stop "it has no time" ;; esac
	body=${rest#"\"question\":\"$digest\",\"body\":"}
	[ "$body" != "$rest" ] || stop "that answers another question"
	body=${body%'}'}
	if [ "$purpose" = refused ]; then
		[ "$sealed" = yes ] || [ "$2" = application ] || stop "a refusal that is not encrypted"
		echo "$body" >&2 && exit 1
	fi
	[ "$purpose" = "$6" ] || stop "that is the answer to another purpose"
	[ "$sealed" = yes ] || [ "$8" = open ] || stop "that is not encrypted"
	apart=$(($(date +%s) - time))
	[ "${apart#-}" -le 120 ] || stop "that was said $apart seconds ago"
}

party() { printf '{"kind":"instance","key":"%s"}' "$instance"; }

# signs PURPOSE REQUEST BODY is what the person signs, in base64.
signs() {
	text "$1" person "$person" "$2" "$3" "\"via\":$(party)," >order.json
	gpg_ --passphrase-file passphrase --local-user "$person" --compress-algo none --sign <order.json | base64 -w0
}

# carry PURPOSE ANSWER INNER BODY
carry() {
	request=$(random)
	signed=$(signs "$3" "$request" "$4")
	ask "$1" instance "$instance" "$request" "{\"signed\":\"$signed\"}" "$2" "$(party)" sealed
}

field() { printf '%s' "$body" | sed -n "s/.*\"$1\":\"\([A-Za-z0-9-]*\)\".*/\1/p"; }

secret() {
	trap 'rm -f passphrase' EXIT
	head -n 1 >passphrase
	instance=$(cat instance) person=$(cat person 2>/dev/null || true)
}

realm=$(cat realm 2>/dev/null || true)
case $command in
init)
	gpg_ --passphrase '' --import "$1/realm.pub" "$1/application.key"
	realm=$(fingerprint --show-keys "$1/realm.pub")
	application=$(fingerprint --show-keys "$1/application.key")
	echo "$2" >server
	code=$(random)
	ask hello application "$application" "$(random)" "{\"code\":\"$code\"}" received "{\"kind\":\"application\",\"key\":\"$application\"}" open
	gpg_ --passphrase '' --quick-generate-key instance ed25519 cert,sign never
	instance=$(fingerprint --list-keys =instance)
	gpg_ --passphrase '' --quick-add-key "$instance" cv25519 encr never
	ask instance.key application "$application" "$(random)" "{\"code\":\"$code\",\"key\":\"$(armored "$instance")\"}" instance.bound "$(party)" sealed
	echo "$instance" >instance
	echo "$realm" >realm
	echo "$body"
	;;
register)
	secret
	registration=$(random)
	ask code instance "$instance" "$registration" "{\"code\":\"$1\"}" code.accepted "$(party)" sealed
	gpg_ --passphrase-file passphrase --quick-generate-key person ed25519 cert,sign never
	person=$(fingerprint --list-keys =person)
	request=$(random)
	proof=$(signs person.proof "$request" '{}')
	ask person.key instance "$instance" "$request" "{\"registration\":\"$registration\",\"key\":\"$(armored "$person")\",\"proof\":\"$proof\"}" person.bound "$(party)" sealed
	echo "$person" >person
	echo "$body"
	;;
result)
	secret
	carry result job.result fetch "{\"job\":\"$1\"}"
	echo "$body"
	;;
order | create | read | update | delete)
	secret
	operation=$command
	[ "$command" != order ] || { operation=$1 && shift; }
	carry job job.accepted "$operation" "{\"resource\":\"$1\"${2:+,$2}}"
	job=$(field job)
	[ "$command" != order ] || { echo "$job" && exit; }
	carry result job.result fetch "{\"job\":\"$job\"}"
	echo "$body"
	;;
*) stop "unknown: $command" ;;
esac
