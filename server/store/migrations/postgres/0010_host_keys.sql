-- The tables of the SQLite migration 0020, whose comments say what they are for.
CREATE TABLE machine_host_keys (
	machine_uuid TEXT  NOT NULL REFERENCES machines(uuid) ON DELETE CASCADE,
	public_key   BYTEA NOT NULL,
	PRIMARY KEY (machine_uuid, public_key)
);
