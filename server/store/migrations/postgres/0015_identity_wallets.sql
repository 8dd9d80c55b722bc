-- The tables of the SQLite migration 0025, whose comments say what they are for.
ALTER TABLE identity_service ADD COLUMN wallet_chain BIGINT NOT NULL DEFAULT 1;
CREATE TABLE identity_wallets (
	address      BYTEA   PRIMARY KEY,
	account_uuid TEXT    NOT NULL REFERENCES accounts(uuid) ON DELETE CASCADE,
	added        BIGINT  NOT NULL
);
CREATE INDEX identity_wallets_of ON identity_wallets (account_uuid);
CREATE TABLE identity_nonces (
	wallet  BYTEA   NOT NULL,
	nonce   TEXT    NOT NULL,
	expires BIGINT  NOT NULL,
	PRIMARY KEY (wallet, nonce)
);
ALTER TABLE identity_tokens ADD COLUMN wallet BYTEA;
