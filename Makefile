# Sallyport. "make" builds; "sudo make demo" shows it; "sudo make test" proves it.
# The README has the two commands, docs/index.md the way to the rest.

GO      ?= go
CC       = gcc
PREFIX  ?= /usr
DESTDIR ?=
VERSION ?= $(shell packaging/version)

MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
LIBDIR    ?= $(PREFIX)/lib$(if $(MULTIARCH),/$(MULTIARCH))
PAMDIR    ?= $(LIBDIR)/security
UNITDIR   ?= $(PREFIX)/lib/systemd/system
SHAREDIR  ?= $(PREFIX)/share/sallyport
MANDIR    ?= $(PREFIX)/share/man

CFLAGS_ALL  = -std=c11 -O2 -g -Wall -Wextra -Werror -Wshadow -Wformat=2 -Wconversion -Wno-sign-conversion \
              -ffile-prefix-map=$(CURDIR)=. -fPIC -fvisibility=hidden -fstack-protector-strong -D_FORTIFY_SOURCE=2 -D_GNU_SOURCE -Iwire/cwire $(CFLAGS)
LDFLAGS_ALL = -shared -Wl,-z,now,-z,relro,-z,defs,--as-needed $(LDFLAGS)
GOFLAGS_ALL = -trimpath -buildvcs=false -buildmode=pie -ldflags "-s -w -bindnow -X main.version=$(VERSION)"

PROGRAMS = sallyportd sallyport sallyport-keys sallyport-subids sallyport-sessions sallyport-server
MODULES  = pam_sallyport.so libnss_sallyport.so.2
MANPAGES = $(wildcard docs/man/*.[1-8])

.PHONY: all programs can-build install uninstall packages deb rpm check-packages demo demo-shell demo-fleet test-fleet test test-go test-c test-machine test-distro test-desktop test-clients test-identity-clients test-releases test-packages test-kanidm test-opaque test-console fuzz bench bench-nss bench-fleet check-docs mutants lint fmt generate clean deps-% $(PROGRAMS)

all: programs $(addprefix build/,$(MODULES))
programs: $(PROGRAMS)

# Go knows best what is out of date, so these are always asked.
$(PROGRAMS): can-build
	@mkdir -p build
	$(GO) build $(GOFLAGS_ALL) -o build/$@ ./cmd/$@

# Says what to install, where the compiler would only say what it does not find.
can-build:
	@packaging/install-deps --check

build/pam_sallyport.so: $(wildcard pam/module/*.[ch] wire/cwire/*.h) Makefile | can-build
	@mkdir -p build
	$(CC) $(CFLAGS_ALL) -o $@ $(wildcard pam/module/*.c) $(LDFLAGS_ALL) -lpam

build/libnss_sallyport.so.2: $(wildcard nss/module/*.[ch] wire/cwire/*.h) Makefile | can-build
	@mkdir -p build
	$(CC) $(CFLAGS_ALL) -o $@ $(wildcard nss/module/*.c) $(LDFLAGS_ALL) -Wl,-soname,libnss_sallyport.so.2,-z,nodelete

install: all
	install -d $(addprefix $(DESTDIR),$(PREFIX)/bin $(PREFIX)/sbin $(LIBDIR) $(PAMDIR) $(UNITDIR) $(SHAREDIR) \
	  $(PREFIX)/lib/sysusers.d $(PREFIX)/lib/tmpfiles.d $(PREFIX)/share/pam-configs $(PREFIX)/share/polkit-1/rules.d \
	  /etc/sallyport /etc/apparmor.d/abstractions/nameservice.d)
	install -m 0755 build/sallyport build/sallyport-keys $(DESTDIR)$(PREFIX)/bin/
	ln -sf sallyport $(DESTDIR)$(PREFIX)/bin/sallyport-ssh
	install -m 0755 build/sallyportd build/sallyport-subids build/sallyport-sessions build/sallyport-server $(DESTDIR)$(PREFIX)/sbin/
	install -m 0644 build/pam_sallyport.so $(DESTDIR)$(PAMDIR)/
	install -m 0644 build/libnss_sallyport.so.2 $(DESTDIR)$(LIBDIR)/
	install -m 0644 packaging/apparmor/sallyport $(DESTDIR)/etc/apparmor.d/abstractions/nameservice.d/
	install -m 0644 systemd/*.service systemd/*.socket systemd/*.path $(DESTDIR)$(UNITDIR)/
	install -m 0644 systemd/sallyport.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/sallyport.conf
	install -m 0644 systemd/sallyport-server.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/sallyport-server.conf
	install -m 0644 systemd/sallyport.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/sallyport.conf
	install -m 0644 packaging/pam-config $(DESTDIR)$(PREFIX)/share/pam-configs/sallyport
	install -m 0644 packaging/pam-config-password $(DESTDIR)$(PREFIX)/share/pam-configs/sallyport-password
	install -m 0644 packaging/polkit/20-sallyport.rules $(DESTDIR)$(PREFIX)/share/polkit-1/rules.d/
	install -m 0644 packaging/ssh/20-sallyport.conf packaging/ssh/20-sallyport-userdb.conf $(DESTDIR)$(SHAREDIR)/
	install -m 0644 packaging/sudo/sallyport $(DESTDIR)$(SHAREDIR)/sudoers
	install -m 0755 packaging/configure-host $(DESTDIR)$(SHAREDIR)/
	for page in $(MANPAGES); do install -D -m 0644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit 1; done

# The packages sallyport and sallyport-server in dist/, where nothing else is then: .deb and
# .rpm, or one kind ("make deb", "make rpm"). They are made by nfpm, which is pinned in
# tools/nfpm/go.mod.
packages: deps-packages all
	rm -rf dist
	packaging/build-packages "$(VERSION)" dist deb rpm

deb rpm: deps-packages all
	rm -rf dist
	packaging/build-packages "$(VERSION)" dist $@

# Debian's own checks of the packages, and that the same commit gives the same bytes.
check-packages: deps-check-packages packages
	packaging/check-packages "$(VERSION)" dist

# What a stranger runs. Each installs what it needs first; test is what CI runs.
demo: deps-demo all
	$(GO) run ./test/demo
	@$(MAKE) --no-print-directory demo-fleet

demo-shell: deps-demo all
	$(GO) run ./test/demo --shell

# Two servers of one realm on one PostgreSQL: two people verify each other, and one server is killed.
demo-fleet: deps-demo-fleet
	$(GO) run ./test/demofleet

# The same under load, with 200 kills of servers and database.
KILLS ?= 200
test-fleet: deps-demo-fleet
	SALLYPORT_KILLS=$(KILLS) $(GO) test -race -count=1 -timeout 60m -v -run 'Kill' ./test/fleet

test: deps-test all
	@$(MAKE) --no-print-directory check-docs test-go test-c test-machine

# As many folders at a time as there are cores; the race detector needs the room. Those that
# take longest begin, so that none of them is left for the end.
FOLDERS = $(shell $(GO) list ./... | grep -Ev '/test(/desktop|/clients)?$$')
LONGEST = /(test/fleet|daemon|server/auth|nss/module|provider/sallyport|cmd/sallyport-server|test/history|server/request)$$
test-go:
	$(GO) vet ./...
	$(GO) vet -tags 'packages releases identityclients' ./test/...
	$(GO) vet -tags browser ./server/console
	mkdir -p build; printf '%s\n' $(FOLDERS) | { cat >build/folders; grep -E '$(LONGEST)' build/folders; grep -Ev '$(LONGEST)' build/folders; } | \
	  xargs $(GO) test -race -count=1

# The C that Go tests call, with the address sanitizer. The libraries in host programs were
# tested with it, and with the undefined-behaviour sanitizer, by test-go.
test-c:
	$(GO) test -asan -count=1 ./wire/... ./pam/module
	$(GO) test -asan -count=1 -run 'Fuzz|Alike' ./nss/module

test-machine: all
	packaging/test-machines

# The same on another release of Debian: "make test-distro RELEASE=trixie" runs all,
# TESTS=regexp the whole-machine tests that match, TESTS=host those that depend on the
# host's own programs most, TESTS=fleet those of its PostgreSQL and PgBouncer.
test-distro: deps-distro
	packaging/test-distro '$(RELEASE)' '$(TESTS)'

# GDM and GNOME at a screen of their own: "make test-desktop" on this host's release,
# RELEASE=trixie on a newer one, TESTS=regexp those that match. Pictures go to build/desktop.
test-desktop: deps-desktop all
	packaging/test-distro --desktop '$(RELEASE)' '$(TESTS)'

# Programs of every day that log people in, in the same way: a web server, Ansible, cron
# and others, each as its package installs it.
test-clients: deps-clients all
	packaging/test-distro --clients '$(RELEASE)' '$(TESTS)'

# A client of the identity service in Python, of what protoc makes.
test-identity-clients: deps-identity-clients
	$(GO) test -count=1 -tags identityclients ./test/identities

# The last release, with which today's programs must work: docs/upgrade.md. Its commit is
# set anew at each release.
OLD ?= 22380c2

# Today's daemon with the last release's server, and the reverse. It needs the history of
# the repository, which a shallow clone does not have, so "make test" leaves it out.
test-releases: deps-test all
	packaging/test-releases '$(OLD)'

# The release before that.
OLDER ?= dbc44f0

# The life of the packages, the long way: from the true packages of those two releases, and
# with dpkg killed at one instant after the other. RELEASE=trixie installs what this host
# built on another release, TESTS=regexp takes those tests that match. It needs the history,
# as test-releases does.
test-packages: deps-test all
ifeq ($(RELEASE),)
	packaging/test-packages '$(OLDER)' '$(OLD)' '$(TESTS)'
else
	packaging/test-packages --build '$(OLDER)' '$(OLD)'
	packaging/test-distro '$(RELEASE)' packages '$(TESTS)'
endif

# Prints the table of docs/benchmarks.md; it takes some minutes, and passes or fails nothing.
bench: deps-bench all
	$(GO) run ./test/bench

# Name lookups beside SSSD and libnss-cache; prints the table of docs/benchmarks.md.
bench-nss: deps-bench all
	$(GO) run ./test/benchnss

# Many connected machines; prints the tables of docs/benchmarks.md.
bench-fleet: deps-bench deps-test programs
	$(GO) run ./test/benchfleet

# The scenarios of provider/kanidm on a real server, which the caller provides:
#   make test-kanidm KANIDM_URL=https://idm.example.com KANIDM_CA=/path/ca.pem KANIDM_ADMIN_PASSWORD=…
test-kanidm:
	KANIDM_URL='$(KANIDM_URL)' KANIDM_CA='$(KANIDM_CA)' $(GO) test -count=1 -timeout 20m -tags kanidm_live -run TestARealServer -v ./provider/kanidm

# OPAQUE with an implementation by others, from npm.
test-opaque: deps-opaque
	npm install --prefix build/opaque --ignore-scripts --no-audit --no-fund --no-save @serenity-kit/opaque@1.1.0
	OPAQUE_OTHER='$(CURDIR)/build/opaque/node_modules/@serenity-kit/opaque' $(GO) test -race -count=1 -timeout 10m -tags interop -run TestAnotherImplementation -v ./identity/pake

# The console in a real browser, Chromium (400 MB of packages). Pictures go to build/console.
test-console: deps-console
	$(GO) test -race -count=1 -timeout 5m -tags browser -run RealBrowser ./server/console

check-docs:
	mandoc -Tlint -Wwarning $(MANPAGES)
	shellcheck packaging/install-deps packaging/configure-host packaging/fuzz packaging/test-machines packaging/test-distro packaging/test-releases packaging/test-packages packaging/version packaging/build-packages packaging/check-packages packaging/completions cli/testdata/client.sh packaging/deb/*/p??inst packaging/deb/*/pr?rm packaging/deb/*/postrm packaging/rpm/*/p[or]* .ci/run

# Every parser, for FUZZTIME each: "make fuzz FUZZTIME=10m" before a release.
FUZZTIME ?= 60s

fuzz: deps-fuzz
	FUZZTIME=$(FUZZTIME) packaging/fuzz

# Breaks conditions one by one and says which breaks the tests of a package let live; takes
# from minutes to hours:  make mutants PKG=./identity FILES="identity/id.go identity/name.go"
mutants:
	$(GO) run ./test/mutate $(PKG) $(FILES)

lint:
	$(GO) tool -modfile=tools/lint/go.mod golangci-lint run ./...

fmt:
	$(GO) tool -modfile=tools/lint/go.mod golangci-lint fmt ./...

# The Go code beside the .proto files. The plugins are pinned in tools/go.mod, and
# Debian 12 and 13 both ship the protoc 3.21.12 that the code was made with.
generate: deps-generate
	proto/generate.sh

clean:
	rm -rf build dist

deps-%:
	@packaging/install-deps $*
