package test

import (
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// swtpm is how systemd reaches a TPM in software that runs within the machine.
const swtpm = "swtpm:host=127.0.0.1,port=2321"

// A TPM with these keys, switched on.
const tpmOn = `mkdir -p /var/lib/tpm
systemd-run -q --unit=tpm swtpm socket --tpm2 --tpmstate dir=/var/lib/tpm --flags not-need-init,startup-clear \
	--ctrl type=tcp,port=2322,bindaddr=127.0.0.1 --server type=tcp,port=2321,bindaddr=127.0.0.1
until ss -ltn | grep -q :2322; do systemctl is-active -q tpm; done
`

// TestTheSealKeyOfAServerMayBeSystemds: as docs/keys.md has it. What it seals, the keys of
// ssh certificates among it, is of no use without it.
// Promise seal-credential.
func TestTheSealKeyOfAServerMayBeSystemds(t *testing.T) {
	t.Run("by the host's key", func(t *testing.T) {
		b := unpacked(t)
		sealedBy(t, b, "host")
		// The folder alone, as a thief of the disk or of a copy has it.
		in(t, b, "systemctl stop sallyport-server; mv /etc/credstore.encrypted/sallyport-server.seal.key /root/")
		noUse(t, b)
	})
	t.Run("by a TPM", func(t *testing.T) {
		b := unpackedWith(t, machine.Extras{Nspawn: []string{"--setenv=SYSTEMD_TPM2_DEVICE=" + swtpm}})
		in(t, b, tpmOn)
		sealedBy(t, b, "host+tpm2")
		in(t, b, "systemctl stop tpm; "+tpmOn+"systemctl restart sallyport-server") // switched off and on
		// The whole disk, as a thief has it who puts it into another machine.
		in(t, b, "systemctl stop sallyport-server tpm; mv /var/lib/tpm /root/; "+tpmOn)
		noUse(t, b)
		// And without any TPM.
		in(t, b, "systemctl stop tpm")
		noUse(t, b)
	})
}

// sealedBy has systemd keep the seal key, by that key of its own.
func sealedBy(t *testing.T, b *machine.Booted, with string) {
	t.Helper()
	in(t, b, "sallyport-server setup --yes --realm example; sallyport-server keys rotate-ssh; sallyport-server account add "+ada)
	const show = "sallyport-server keys show | grep '^ssh users'"
	before := in(t, b, show)
	in(t, b, `systemctl stop sallyport-server
		mkdir -p /etc/credstore.encrypted /etc/systemd/system/sallyport-server.service.d
		cd /var/lib/sallyport-server
		export SYSTEMD_TPM2_DEVICE=`+swtpm+`
		systemd-creds encrypt --with-key=`+with+` --name=seal.key seal.key /etc/credstore.encrypted/sallyport-server.seal.key
		printf '[Service]\nLoadCredentialEncrypted=seal.key:/etc/credstore.encrypted/sallyport-server.seal.key\n' \
			> /etc/systemd/system/sallyport-server.service.d/seal.conf
		shred -u seal.key
		ln -s /run/credentials/sallyport-server.service/seal.key seal.key
		systemctl daemon-reload; systemctl start sallyport-server`)
	if after := in(t, b, show); after != before {
		t.Errorf("the keys of ssh certificates are %s, were %s", after, before)
	}
	in(t, b, "sallyport-server account add-totp --generate "+ada+"; sallyport-server keys rotate-ssh")
	in(t, b, "systemctl restart sallyport-server; sallyport-server keys rotate-ssh; cp -a /var/lib/sallyport-server /root/copy")
	if files := in(t, b, "find /var/lib/sallyport-server -name 'seal*' -type f"); strings.TrimSpace(files) != "" {
		t.Errorf("it lies in the folder: %s", files)
	}
	if kept := in(t, b, "sallyport-server backup /root/realm.backup >/dev/null; tar -tf /root/realm.backup"); !strings.Contains(kept, "seal.key") {
		t.Errorf("a backup that nobody could use: %s", kept)
	}
}

// noUse asserts that neither the server nor a copy of its folder is of use as it is now.
func noUse(t *testing.T, b *machine.Booted) {
	t.Helper()
	if out, err := b.In(t.Context(), "systemctl start sallyport-server"); err == nil {
		t.Errorf("the server starts without it: %s", out)
	}
	out, err := b.In(t.Context(), "sallyport-server keys rotate-ssh --dir /root/copy 2>&1")
	if err == nil || !strings.Contains(out+err.Error(), "seal key") {
		t.Errorf("the keys are used without it, or it is not said why not: %s, %v", out, err)
	}
}
