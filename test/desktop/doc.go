// Package desktop signs people in at a real screen: GDM and GNOME on Xorg's dummy
// driver, on a whole machine that systemd-nspawn(1) boots from a root folder of its own
// (packaging/desktop-packages). The tests type with xdotool and read the screen as a
// person does, by OCR; what the screen does not tell, logind, the journal and the kernel
// do. Every picture that was read is kept in build/desktop.
//
// They are run by "make test-desktop" alone: a root folder takes some minutes to make,
// and a machine has one screen, so one test runs at a time.
package desktop
