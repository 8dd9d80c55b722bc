/*
 * Where the daemon's answers are: for the libraries that ask for them, which must
 * agree with each other and with sallyportd. Tests build with others.
 */
#ifndef SALLYPORT_PLACES_H
#define SALLYPORT_PLACES_H

#ifndef SALLYPORT_DIRECTORY
#define SALLYPORT_DIRECTORY "/var/cache/sallyport"
#endif
#ifndef SALLYPORT_LOOKUP_SOCKET
#define SALLYPORT_LOOKUP_SOCKET "/run/sallyport/lookup.sock"
#endif

/* How long the daemon may take once it has said that it works on it. */
#ifndef SALLYPORT_LOOKUP_DEADLINE_MS
#define SALLYPORT_LOOKUP_DEADLINE_MS 5000
#endif

#endif
