/* A PAM module for tests: shows or sets the tokens that pass between modules. */
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <string.h>

static int reveal(pam_handle_t *h, int argc, const char **argv)
{
	const void *new = NULL, *old = NULL;

	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], "set=", 4) == 0)
			return pam_set_item(h, PAM_AUTHTOK, argv[i] + 4);
	pam_get_item(h, PAM_AUTHTOK, &new);
	pam_get_item(h, PAM_OLDAUTHTOK, &old);
	pam_info(h, "authtok=%s oldauthtok=%s", new ? (const char *)new : "-", old ? (const char *)old : "-");
	return PAM_IGNORE;
}

int pam_sm_authenticate(pam_handle_t *h, int flags, int argc, const char **argv)
{
	(void)flags;
	return reveal(h, argc, argv);
}

int pam_sm_acct_mgmt(pam_handle_t *h, int flags, int argc, const char **argv)
{
	(void)flags;
	return reveal(h, argc, argv);
}

int pam_sm_setcred(pam_handle_t *h, int flags, int argc, const char **argv)
{
	(void)h, (void)flags, (void)argc, (void)argv;
	return PAM_IGNORE;
}

int pam_sm_chauthtok(pam_handle_t *h, int flags, int argc, const char **argv)
{
	(void)flags;
	return reveal(h, argc, argv);
}
