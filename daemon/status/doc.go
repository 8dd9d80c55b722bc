// Package status tells how a realm's part of the daemon stands: what "sallyport status" and
// monitoring show, each trouble as a [report.Finding] with what to do about it. It decides
// nothing, and shows nothing that a local user may not know.
package status
