// Package releases pairs the programs of the last release with those of this tree on
// whole machines: a daemon of the one with a server of the other, joined when both were
// of the last release, and what an upgrade and a downgrade find on the disk. What
// docs/upgrade.md says rests on it.
//
// The last release is built by "make test-releases" from the repository's history, so the
// tests have a build tag, releases, and SALLYPORT_OLD_RELEASE names its folder.
package releases
