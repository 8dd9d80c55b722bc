-- The keys of each machine's sshd, in ssh's wire form, as the machine itself said.
CREATE TABLE machine_host_keys (
	machine_uuid TEXT NOT NULL REFERENCES machines(uuid) ON DELETE CASCADE,
	public_key   BLOB NOT NULL,
	PRIMARY KEY (machine_uuid, public_key)
) STRICT;
