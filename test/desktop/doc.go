// Package desktop signs people in at a real screen: GDM and GNOME on Xorg's dummy
// driver, on a whole machine that systemd-nspawn(1) boots from a root folder of its own
// (packaging/desktop-packages). The tests type with xdotool and read the screen as a
// person does, by OCR; what the screen does not tell, logind, the journal and the kernel
// do. Every picture that was read is kept in build/desktop.
//
// They are run by "make test-desktop" alone: a root folder takes some minutes to make,
// and a machine has one screen, so one test runs at a time.
//
// Which scene is played where (–: the program cannot do it; empty: no scene):
//
//	                                 GDM  GNOME's  LightDM  greetd  getty  xrdp  i3lock,
//	                                      lock                                   xscreensaver
//	a right and a wrong password      x     x        x        x       x     x      x
//	a code and a wrong one            x     x        x        x       x     x      x
//	a card's PIN and a wrong one      x     x        x        x       x     –      x
//	offline                           x     x        x        x       x     x      x
//	offline, with a code              x     x        x        x       x     x      x
//	offline, and no code to check     x     x        x        x       x     x      x
//	offline, and never here before    x              x
//	disabled                          x     x        x        x       x     x      x
//	expired                           x     x        x        x       x     x      x
//	too many wrong answers            x     x        x        x       x     x      x
//	a password that is due            x     x        x        –       x     –
//	sallyportd restarted              x     x        x        x       x     –      x
//	sallyportd stopped, a local       x     x        x        x       x     x      x
//	  person's way in
//	left open beyond the daemon's     x     x        x        x       x     –      x
//	  patience
//	two people at one screen          x     x        x
//	the keyring opens                 x              x
//
// Where a program cannot do it, the scene shows what a person is told instead. xrdp asks
// for name and password in a window of its own, and begins a conversation when it has both: no prompt of
// ours is open meanwhile, which could grow old or under which sallyportd could be started anew.
package desktop
