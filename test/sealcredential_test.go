package test

import (
	"strings"
	"testing"
)

// TestTheSealKeyOfAServerMayBeSystemds: as docs/keys.md has it, but with the key of the host
// in the place of a TPM's. What it seals, the keys of ssh certificates among it, is of no use
// without it.
// Promise seal-credential.
func TestTheSealKeyOfAServerMayBeSystemds(t *testing.T) {
	b := unpacked(t)
	in(t, b, "sallyport-server setup --yes --realm example; sallyport-server keys rotate-ssh; sallyport-server account add "+ada)
	const show = "sallyport-server keys show | grep '^ssh users'"
	before := in(t, b, show)
	in(t, b, `systemctl stop sallyport-server
		mkdir -p /etc/credstore.encrypted /etc/systemd/system/sallyport-server.service.d
		cd /var/lib/sallyport-server
		systemd-creds encrypt --with-key=host --name=seal.key seal.key /etc/credstore.encrypted/sallyport-server.seal.key
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
	// The folder alone, as a thief of the disk or of a copy has it.
	in(t, b, "systemctl stop sallyport-server; mv /etc/credstore.encrypted/sallyport-server.seal.key /root/")
	if out, err := b.In(t.Context(), "systemctl start sallyport-server"); err == nil {
		t.Errorf("the server starts without it: %s", out)
	}
	out, err := b.In(t.Context(), "sallyport-server keys rotate-ssh --dir /root/copy 2>&1")
	if err == nil || !strings.Contains(out+err.Error(), "seal key") {
		t.Errorf("the keys are used without it, or it is not said why not: %s, %v", out, err)
	}
}
