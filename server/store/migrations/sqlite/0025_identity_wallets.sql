-- The chain that logins by wallet are for (EIP-4361).
ALTER TABLE identity_service ADD COLUMN wallet_chain INTEGER NOT NULL DEFAULT 1;

-- The wallets with which accounts may log in to the identity service: each is one account's.
CREATE TABLE identity_wallets (
	address      BLOB    PRIMARY KEY,
	account_uuid TEXT    NOT NULL REFERENCES accounts(uuid) ON DELETE CASCADE,
	added        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_wallets_of ON identity_wallets (account_uuid);

-- The nonces of messages that were used, until these are over. They stay where the wallet is
-- removed: it may be added again meanwhile.
CREATE TABLE identity_nonces (
	wallet  BLOB    NOT NULL,
	nonce   TEXT    NOT NULL,
	expires INTEGER NOT NULL,
	PRIMARY KEY (wallet, nonce)
) STRICT, WITHOUT ROWID;

-- The wallet that a token was given for; none: for a password.
ALTER TABLE identity_tokens ADD COLUMN wallet BLOB;
