-- The tables of the SQLite migration 0029, whose comments say what they are for.
ALTER TABLE realm ADD COLUMN organisation TEXT NOT NULL DEFAULT '';
ALTER TABLE verify_keys ADD COLUMN partners BIGINT NOT NULL DEFAULT 0;
CREATE TABLE partner_told (account_uuid TEXT PRIMARY KEY);
CREATE TABLE partners (
	id           TEXT    PRIMARY KEY,
	realm        TEXT    NOT NULL UNIQUE,
	urls         TEXT    NOT NULL,
	root_key     BYTEA    NOT NULL,
	key_bundle   BYTEA    NOT NULL,
	list_version BIGINT NOT NULL,
	organisation TEXT    NOT NULL,
	added        BIGINT NOT NULL,
	history      TEXT    NOT NULL,
	position     BIGINT NOT NULL,
	listing      BIGINT NOT NULL,
	next         BIGINT NOT NULL,
	tried        BIGINT NOT NULL,
	reached      BIGINT NOT NULL,
	refused      BIGINT NOT NULL,
	fault        TEXT    NOT NULL
);
CREATE TABLE partner_alarms (
	partner TEXT    NOT NULL REFERENCES partners(id) ON DELETE CASCADE,
	kind    TEXT    NOT NULL,
	text    TEXT    NOT NULL,
	since   BIGINT NOT NULL,
	PRIMARY KEY (partner, kind)
);
CREATE TABLE partner_people (
	partner     TEXT    NOT NULL REFERENCES partners(id) ON DELETE CASCADE,
	uuid        TEXT    NOT NULL,
	name        TEXT    NOT NULL,
	full_name   TEXT    NOT NULL,
	public_key  BYTEA    NOT NULL,
	made        BIGINT NOT NULL,
	valid_from  BIGINT NOT NULL,
	valid_until BIGINT NOT NULL,
	server_held BIGINT NOT NULL,
	PRIMARY KEY (partner, uuid),
	UNIQUE (partner, name)
);
